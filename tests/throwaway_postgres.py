"""A throw-away PostgreSQL server on a random port, for tests that need one."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def bin_folder() -> Path | None:
    """Where the server is installed; None where it is not."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = [folder for place in PLACES for folder in Path("/").glob(place[1:])]
    return max(found, default=None)


@contextmanager
def serve() -> Iterator[str]:
    """The address of its empty database `postgres`, until the block ends."""
    programs = bin_folder()
    assert programs is not None
    # Not pytest's own folder: a socket's path must be short, and its user must be able to enter.
    folder = Path(tempfile.mkdtemp(prefix="ballast-pg-"))
    # The server refuses to run as root: then it is the package's own user.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)

    def run(program: str, *words: str) -> None:
        subprocess.run(
            [programs / program, "-D", folder / "data", *words],
            check=True,
            cwd=folder,
            user=user,
            stdout=subprocess.DEVNULL,
        )

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "-U", "ballast", "-A", "trust", "-N")
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://ballast@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
