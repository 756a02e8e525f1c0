"""PgBouncer in transaction mode, in front of a server that can change.

install.sh installs the distribution's package with PostgreSQL.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.host import free_port
from tests.postgres.server import USER, NoServer, not_as_root

PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE = 30
SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
query_wait_timeout = 5
server_login_retry = 1
log_connections = 0
log_disconnections = 0
"""


class Bouncer:
    def __init__(self, program: str, folder: Path, server: int) -> None:
        """`server` is the port of the PostgreSQL server."""
        self._folder, self._port = folder, free_port()
        (folder / "users").write_text(f'"{USER}" ""\n')
        self._write(server)
        self._process = subprocess.Popen(
            [program, "--quiet", folder / "ini"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"),
            start_new_session=True,
            **not_as_root(folder),
        )

    def url(self, name: str) -> str:
        """DATABASE_URL of a database behind the pooler."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self._port}/{name}"

    def point_to(self, server: int) -> None:
        """Point to another server and reload, as a fail-over script does."""
        self._write(server)
        self._process.send_signal(signal.SIGHUP)

    def wait(self) -> None:
        """Wait until connections succeed. Raises `NoServer`."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres").replace("+psycopg", "")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.02)
        raise NoServer(f"PgBouncer does not start: {(self._folder / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _write(self, server: int) -> None:
        values = {"server": server, "port": self._port, "folder": self._folder}
        (self._folder / "ini").write_text(SETTINGS.format(**values))


@contextmanager
def bouncer(server: int) -> Iterator[Bouncer]:
    """A running PgBouncer until the block ends. Raises `NoServer`."""
    program = shutil.which("pgbouncer", path=PLACES)
    if program is None:
        raise NoServer("PgBouncer is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ballast-bouncer-"))
    made = None
    try:
        made = Bouncer(program, folder, server)
        made.wait()
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
