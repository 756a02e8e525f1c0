"""The product's processes: gunicorn, `flask jobs start` and the operator's commands.

Each is forked from a server with all modules imported, which saves two seconds of processor time,
runs the real entry point of its command, and has its own process group. Python itself is not
started again: variables such as PYTHONIOENCODING have no effect, and the process ends without
`atexit`, so SQLite leaves its `-wal` file. A test of either starts `python -m` itself.
"""

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing import connection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from webapp.settings import ROOT

IMPORTED = (
    "alembic",
    "deploy.whole_requests",
    "flask.cli",
    "flask_migrate",
    "gunicorn.app.wsgiapp",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "tests.processes",
    "webapp.app",
    "webapp.background.scheduler",
    "webapp.processors.stripe.processor",
    "webapp.background.worker",
)

WEB = ("gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app")
FLASK = ("flask", "--app", "wsgi")
JOBS = (*FLASK, "jobs", "start")

PR_SET_PDEATHSIG = 1

# Starts a function in a process of its own, for tests that need no command.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(list(IMPORTED))
# The fork server ignores a name that it cannot import; each process would import the module then.
assert all(find_spec(name) for name in IMPORTED)
# multiprocessing's management of children is not thread-safe.
_one_at_a_time = Lock()


class Process:
    """A process of the product."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
    ) -> None:
        """`log` receives its output, and its errors too unless they have a file of their own."""
        files = (log, errors or log)
        for file in files:
            file.touch()
        given = (tuple(command), dict(environ), *map(str, files))
        self._process = FORKS.Process(target=_run, args=given)
        with _one_at_a_time:
            self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while the process runs; negative for the signal that ended it."""
        with _one_at_a_time:
            return self._process.exitcode

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        self._signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """Ask the process to finish its work and exit."""
        if self._process.pid is not None and self.exit_code is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def wait(self, seconds: float = 60.0) -> int:
        """Return the exit code. After `seconds`, abort the process, which logs its stacks."""
        while not connection.wait([self._process.sentinel], seconds):
            self._signal(signal.SIGABRT)
        return self.exit_code

    def _signal(self, number: signal.Signals) -> None:
        """Signal the whole group; do nothing once it has ended, because the id may be reused."""
        pid = self._process.pid
        if pid is None or self.exit_code is not None:
            return
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # the process has no group yet, or has just ended
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def run(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run a command of the product to its end."""
    with TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        code = Process(command, environ, output, errors).wait(600)
        texts = (file.read_text(encoding="utf-8") for file in (output, errors))
        return subprocess.CompletedProcess(command, code, *texts)


def _run(command: tuple[str, ...], environ: dict[str, str], log: str, errors: str) -> None:
    """Entry point of the new process."""
    os.setsid()
    if sys.platform == "linux":
        # Die with the run, even if the run is killed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for file, stream in ((log, 1), (errors, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), stream)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(ROOT)
    faulthandler.enable()
    sys.argv = list(command)
    if command[0] == "gunicorn":
        from gunicorn.app.wsgiapp import run
    else:
        from flask.cli import main as run
    sys.exit(run())
