"""Real faults, begun and ended: what is told meanwhile, and that nothing was lost afterwards."""

import shlex
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import event

from tests import host
from webapp.extensions import db
from webapp.reads.ledger.ledger_check import check_ledger
from webapp.settings import ROOT

PATIENCE = 30.0
"""Seconds; a busy machine is forgiven."""


def wait_until(truth, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not (found := truth()):
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.05)
    return found


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def in_order(world):
    world.session.rollback()
    return check_ledger(world.session, world.books.paid_charges).differences == ()


@contextmanager
def pragma(setting, usual):
    """On every connection that is used meanwhile."""

    def ask(connection, *_):
        connection.execute(f"PRAGMA {setting}")

    def undo(connection, *_):
        connection.execute(f"PRAGMA {usual}")

    db.session.rollback()
    event.listen(db.engine, "checkout", ask)
    event.listen(db.engine, "checkin", undo)
    try:
        yield
    finally:
        db.session.rollback()
        event.remove(db.engine, "checkout", ask)
        event.remove(db.engine, "checkin", undo)


@contextmanager
def read_only():
    with pragma("query_only = 1", "query_only = 0"):
        yield


@contextmanager
def locked():
    """Someone at a database prompt has begun to write, and gone for lunch."""
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
    """Not one more page: what fits into those there are is still written."""
    with db.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    with pragma(f"max_page_count = {pages}", "max_page_count = 1073741823"):
        yield


@pytest.fixture
def absent(home):
    @contextmanager
    def away():
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

    return away


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


@dataclass
class Process:
    """One of the product's own processes, on a home of its own."""

    home: Path
    log: Path
    url: str = ""
    handle: subprocess.Popen | None = None
    environ: dict[str, str] = field(default_factory=dict)

    def start(self, *command: str) -> "Process":
        with self.log.open("w") as stream:
            self.handle = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environ,
                stdout=stream,
                stderr=stream,
            )
        return self

    def serve(self, *options: str) -> "Process":
        config = ("--config", "deploy/gunicorn.conf.py")
        self.start("gunicorn", *config, *options, "wsgi:app")
        wait_until(lambda: self.answers("/healthz"))
        return self

    def flask(self, *words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        environ = {**self.environ, "RUN_JOBS": "0"}
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)

    def answers(self, path: str) -> bool:
        assert self.handle.poll() is None, self.said
        try:
            return self.ask(path).status > 0
        except OSError:
            return False

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, named)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as got:
                return Answer(got.status, got.read().decode(), dict(got.headers))
        except urllib.error.HTTPError as got:
            return Answer(got.code, got.read().decode(), dict(got.headers))

    @property
    def said(self) -> str:
        return self.log.read_text()


@contextmanager
def new_process(home, log):
    """Not started yet; at the end it is gone."""
    port = free_port()
    environ = {
        **host.environ(),
        "BALLAST_HOME": str(home),
        "SECRET_KEY": "a secret of tests, long enough for a server",
        "DEMO": "1",
        "PORT": str(port),
        "RUN_JOBS": "1",
    }
    one = Process(home, log, f"http://127.0.0.1:{port}", environ=environ)
    try:
        yield one
    finally:
        if one.handle is not None and one.handle.poll() is None:
            one.handle.kill()
            one.handle.wait()


@pytest.fixture
def process(home, tmp_path):
    with new_process(home, tmp_path / "process.log") as one:
        yield one


@pytest.fixture
def flask(app):
    """A command as an operator types it."""
    runner = app.test_cli_runner()

    def run(line):
        db.session.remove()
        return runner.invoke(args=shlex.split(line))

    return run
