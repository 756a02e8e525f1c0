"""Fault injection with real faults: behaviour during the fault, and no loss afterwards."""

import shlex
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import event

from tests import host, processes
from webapp.extensions import db
from webapp.reads.ledger.ledger_check import check_ledger

PATIENCE = 30.0
"""Seconds, generous for a busy machine."""


def wait_until(condition, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, "not within the time limit"
        time.sleep(0.05)
    return found


def in_order(world):
    world.session.rollback()
    return check_ledger(world.session, world.books.paid_charges).differences == ()


@contextmanager
def pragma(setting, usual, engine=None):
    """Apply a PRAGMA to every connection that is checked out; by default, of the product."""
    engine = engine or db.engine

    def apply(connection, *_):
        connection.execute(f"PRAGMA {setting}")

    def undo(connection, *_):
        connection.execute(f"PRAGMA {usual}")

    db.session.rollback()
    event.listen(engine, "checkout", apply)
    event.listen(engine, "checkin", undo)
    try:
        yield
    finally:
        db.session.rollback()
        event.remove(engine, "checkout", apply)
        event.remove(engine, "checkin", undo)


@contextmanager
def read_only(engine=None):
    with pragma("query_only = 1", "query_only = 0", engine):
        yield


@contextmanager
def locked():
    """Another connection holds the write lock."""
    other = sqlite3.connect(db.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pragma("busy_timeout = 50", "busy_timeout = 15000"):
            yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full():
    """The database cannot grow: only writes that fit into its existing pages succeed."""
    with db.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    with pragma(f"max_page_count = {pages}", "max_page_count = 1073741823"):
        yield


@pytest.fixture
def absent(home):
    @contextmanager
    def unmounted():
        """The volume is not mounted."""
        db.session.remove()
        db.engine.dispose()
        home.rename(home.with_name("unmounted"))
        try:
            yield
        finally:
            db.session.remove()
            db.engine.dispose()
            home.with_name("unmounted").rename(home)

    return unmounted


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


@dataclass
class Process:
    """One of the product's processes, on its own home."""

    home: Path
    log: Path
    url: str = ""
    handle: processes.Process | None = None
    environ: dict[str, str] = field(default_factory=dict)

    def start(self, *command: str) -> "Process":
        self.log.unlink(missing_ok=True)
        self.handle = processes.Process(command, self.environ, self.log)
        return self

    def serve(self, *options: str) -> "Process":
        self.start(*processes.WEB, *options)
        wait_until(lambda: self.answers("/healthz"))
        return self

    def flask(self, *arguments: str) -> subprocess.CompletedProcess:
        return processes.run((*processes.FLASK, *arguments), {**self.environ, "RUN_JOBS": "0"})

    def answers(self, path: str) -> bool:
        assert self.handle.exit_code is None, self.output
        try:
            return self.ask(path).status > 0
        except OSError:
            return False

    def ask(self, path: str, body: bytes | None = None, **options: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in options.items()}
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as got:
                return Answer(got.status, got.read().decode(), dict(got.headers))
        except urllib.error.HTTPError as got:
            return Answer(got.code, got.read().decode(), dict(got.headers))

    @property
    def output(self) -> str:
        return self.log.read_text()


@contextmanager
def new_process(home, log):
    """Yield a process to be started; it is killed at the end."""
    port = host.free_port()
    environ = {
        **host.environ(),
        "BALLAST_HOME": str(home),
        "SECRET_KEY": "a secret of tests, long enough for a server",
        "DEMO": "1",
        "PORT": str(port),
        "RUN_JOBS": "1",
    }
    process = Process(home, log, f"http://127.0.0.1:{port}", environ=environ)
    try:
        yield process
    finally:
        if process.handle is not None:
            process.handle.kill()


@pytest.fixture
def process(home, tmp_path):
    with new_process(home, tmp_path / "process.log") as process:
        yield process


@pytest.fixture
def flask(app):
    """Run a command as an operator types it."""
    runner = app.test_cli_runner()

    def run(line):
        db.session.remove()
        return runner.invoke(args=shlex.split(line))

    return run
