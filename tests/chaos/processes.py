"""The product's processes: gunicorn, `flask jobs start` and the operator's commands.

Each is forked from a server with all modules imported, which saves about a second, runs the real
entry point of its command, and has its own process group.
"""

import ctypes
import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
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
    "tests.chaos.processes",
    "tests.chaos.kill_points",
    "webapp.app",
    "webapp.background.scheduler",
    "webapp.processors.stripe.processor",
    "webapp.background.worker",
)

WEB = ("gunicorn", "--config", "deploy/gunicorn.conf.py", "tests.chaos.wsgi:app")
FLASK = ("flask", "--app", "tests.chaos.wsgi")

PR_SET_PDEATHSIG = 1

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(IMPORTED))
# multiprocessing's management of children is not thread-safe.
_one_at_a_time = Lock()


class Process:
    """A process of the product."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        *,
        armed: Mapping[str, int] | None = None,
        trace: Path | None = None,
    ) -> None:
        """`armed` maps steps to the pass at which they kill the process."""
        self.log, self.trace = log, trace
        environ = dict(environ)
        if trace is not None:
            environ["CHAOS"] = json.dumps({"armed": dict(armed or {}), "trace": str(trace)})
        self._process = _forks.Process(target=_run, args=(tuple(command), environ, str(log)))
        with _one_at_a_time:
            self._process.start()

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
        end = time.monotonic() + seconds
        while (code := self.exit_code) is None:
            if time.monotonic() > end:
                self._signal(signal.SIGABRT)
                end += seconds
            time.sleep(0.005)
        return code

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

    @property
    def passed(self) -> list[str]:
        """Steps that the process has passed."""
        return self._noted("passed")

    @property
    def killed_at(self) -> str:
        """Step that killed the process; empty if the run killed it."""
        return "".join(self._noted("killed"))

    def _noted(self, what: str) -> list[str]:
        if self.trace is None or not self.trace.exists():
            return []
        lines = self.trace.read_text().splitlines()
        return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]


def _run(command: tuple[str, ...], environ: dict[str, str], log: str) -> None:
    """Entry point of the new process."""
    os.setsid()
    # Die with the run, even if the run is killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
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
