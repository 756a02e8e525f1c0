"""A temporary PostgreSQL server and databases on it for tests."""

import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from os import geteuid
from pathlib import Path

import psycopg
from sqlalchemy import Engine

HERE = Path(__file__).parent
USER = "ballast"
KEEPER = "ballast-tests"
"""application_name of the tests' own connections, which a test that ends connections must spare."""

PATIENCE = 60
"""Seconds for the server to start; usually well under one."""


class NoServer(Exception):
    """PostgreSQL is not available; str() says why."""


class Server:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, which is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as admin:
            admin.execute(f"CREATE DATABASE {name}")
            yield self.url(name)
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """DATABASE_URL of a database."""
        return f"postgresql+psycopg://{USER}@/{name}?host={self._folder}"

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._folder),
            user=USER,
            dbname=name,
            application_name=KEEPER,
            autocommit=True,
        )


class KeptDatabase:
    """A migrated database that tests use one after another.

    Emptying it takes a tenth of the time of copying one, and its connections stay open.
    """

    def __init__(self, server: Server, migrate: Callable[[str], None]) -> None:
        self.url = server.url("kept")
        self._server = server
        with server.connect() as admin:
            admin.execute("CREATE DATABASE migrated")
        migrate(server.url("migrated"))
        self._engine: Engine | None = None
        self._make()

    def engine_like(self, engine: Engine) -> Engine:
        """The first engine given: statements are compiled once per engine."""
        self._engine = self._engine or engine
        return self._engine

    def empty(self) -> None:
        """Restore the initial state; a test that changed the schema has the database recreated."""
        if self._shape() == self._shape_at_first:
            self._connection.execute(self._emptying)
        else:
            self._connection.close()
            self._make()

    def close(self) -> None:
        self._connection.close()
        if self._engine is not None:
            self._engine.dispose()

    def _make(self) -> None:
        with self._server.connect() as admin:
            admin.execute("DROP DATABASE IF EXISTS kept WITH (FORCE)")
            admin.execute("CREATE DATABASE kept TEMPLATE migrated")
        self._connection = self._server.connect("kept")
        self._emptying = self._deletes()
        self._shape_at_first = self._shape()

    def _shape(self) -> list[tuple[int, ...]]:
        """Counts that change when tables, indexes, constraints or triggers are added or dropped."""
        catalogs = ("pg_class", "pg_constraint", "pg_trigger")
        counts = ", ".join(f"(SELECT count(*) FROM {catalog})" for catalog in catalogs)
        return self._connection.execute(f"SELECT {counts}").fetchall()

    def _deletes(self) -> str:
        tables = self._connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        ).fetchall()
        return "; ".join(
            [
                "SET lock_timeout = '10s'",  # a test may have left a transaction open
                "SET session_replication_role = replica",  # triggers protect the ledger otherwise
                *(f"DELETE FROM {table}" for (table,) in tables),
                "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'",
            ]
        )


@contextmanager
def serve() -> Iterator[Server]:
    """A running server until the block, or the process, ends. Raises `NoServer`."""
    programs = binaries()
    # Not in pytest's folder: other users cannot enter it, and socket paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="ballast-postgres-"))
    # Passed as text because the server's user may be unable to read this checkout.
    script = (HERE / "serve.sh").read_text()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", script, "serve.sh", programs, folder],
            cwd=folder,
            stdin=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C must reach the tests only
            **not_as_root(folder),
        )
    try:
        server = Server(folder)
        _wait_for(server, process, folder / "log")
        yield server
    finally:
        process.communicate()  # closes its input
        shutil.rmtree(folder, ignore_errors=True)  # the folder remains if the server did not start


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises `NoServer`."""
    found = subprocess.run([HERE / "find.sh"], capture_output=True, text=True)
    if found.returncode:
        raise NoServer("it is not installed")
    return Path(found.stdout.strip())


def not_as_root(folder: Path) -> dict[str, object]:
    """Arguments that run PostgreSQL as another user, because it refuses to run as root."""
    if geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    shutil.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait_for(server: Server, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            time.sleep(0.02)
    said = log.read_text(encoding="utf-8").strip().splitlines()
    raise NoServer(said[-1] if said else "it does not start")
