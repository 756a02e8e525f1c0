"""Two PostgreSQL servers: a primary that can be killed and its synchronous standby.

Both listen on loopback ports, so that one URL can name both.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.host import free_port
from tests.postgres.server import USER, NoServer, binaries, not_as_root

PATIENCE = 60
"""Seconds for a server to start or to be promoted; usually about one."""

SETTINGS = {
    # Durability is off: processes are killed, but the host keeps running.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
    "wal_level": "replica",
    # A commit returns once the standby has it too.
    "synchronous_commit": "on",
    "wal_retrieve_retry_interval": "200ms",
}
IN_STEP = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"


class Member:
    """One server: a data folder, a port and, while running, a process."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self._programs, self._folder, self.port = programs, folder, port
        self._data = folder / f"data-{port}"
        self._process: subprocess.Popen | None = None

    def make(self) -> None:
        how = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        self._run("initdb", f"--pgdata={self._data}", f"--username={USER}", *how)

    def copy(self, primary: "Member") -> None:
        """Replace the data by a copy of `primary`, and follow it."""
        shutil.rmtree(self._data, ignore_errors=True)
        where = ("--host=127.0.0.1", f"--port={primary.port}", f"--username={USER}")
        how = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream")
        self._run("pg_basebackup", f"--pgdata={self._data}", *where, *how)

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        listen = ("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder))
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, *listen, *options],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / f"log-{self.port}").open("a"),
            start_new_session=True,
            **not_as_root(self._folder),
        )
        self._wait_for(lambda: self.scalar("SELECT 1"))

    def kill(self) -> None:
        """SIGKILL the server and each of its backends, as a power loss would."""
        if self._process is None:
            return
        server = self._process.pid
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGSTOP)  # it starts no further backend
        children = Path(f"/proc/{server}/task/{server}/children")
        backends = children.read_text(encoding="utf-8").split()
        for pid in (server, *map(int, backends)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def promote(self) -> None:
        self.scalar(f"SELECT pg_promote(true, {PATIENCE})")
        self._wait_for(lambda: not self.scalar("SELECT pg_is_in_recovery()"))

    def wait_for_standby(self, *, is_there: bool) -> None:
        """Make commits wait for the standby, or for none."""
        names = "*" if is_there else ""
        self.scalar(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.scalar("SELECT pg_reload_conf()")
        if is_there:
            self._wait_for(lambda: self.scalar(IN_STEP))

    def scalar(self, sql: str) -> object:
        with self.connect() as connection:
            cursor = connection.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        where = {"host": "127.0.0.1", "port": self.port, "user": USER, "dbname": name}
        return psycopg.connect(**where, autocommit=True, connect_timeout=5)

    def _wait_for(self, truth: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(psycopg.OperationalError):
                if truth():
                    return
            if self._process is None or self._process.poll() is not None:
                raise NoServer(self._last_log_line())
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server at port {self.port}: {self._last_log_line()}")
            time.sleep(0.02)

    def _last_log_line(self) -> str:
        said = (self._folder / f"log-{self.port}").read_text(encoding="utf-8").strip()
        return said.splitlines()[-1] if said else "the log is empty"

    def _run(self, program: str, *words: str) -> None:
        command = [self._programs / program, *words]
        around = not_as_root(self._folder)
        ended = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, **around)
        if ended.returncode:
            raise NoServer(f"{program}: {ended.stderr.strip()}")


class Cluster:
    def __init__(self, programs: Path, folder: Path) -> None:
        self.primary, self.standby = (Member(programs, folder, free_port()) for _ in range(2))
        self.primary.make()
        self.primary.start()
        self.rebuild_standby()

    def url(self, name: str) -> str:
        """DATABASE_URL naming both servers; connections go to the writable one."""
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in self.ports)
        return f"postgresql+psycopg://{USER}@/{name}?{hosts}&target_session_attrs=read-write"

    @property
    def ports(self) -> list[int]:
        """Sorted, whichever server is the primary."""
        return sorted((self.primary.port, self.standby.port))

    def fail_over(self) -> None:
        """Promote the standby; commits wait for no standby until `rebuild_standby`."""
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        self.primary.wait_for_standby(is_there=False)

    def rebuild_standby(self) -> None:
        """Copy the primary to the other server, which follows it from then on."""
        self.standby.copy(self.primary)
        self.standby.start()
        self.primary.wait_for_standby(is_there=True)

    def stop(self) -> None:
        for member in (self.standby, self.primary):
            member.kill()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Two running servers until the block ends. Raises `NoServer`."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="ballast-cluster-"))
    made = None
    try:
        made = Cluster(programs, folder)
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
