"""Processes of a chaos run: the product's own, with kill points and fast jobs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import processes

WEB = ("gunicorn", "--config", "deploy/gunicorn.conf.py", "tests.chaos.wsgi:app")
FLASK = ("flask", "--app", "tests.chaos.wsgi")


class Process(processes.Process):
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
        if trace is not None:
            chaos = json.dumps({"armed": dict(armed or {}), "trace": str(trace)})
            environ = {**environ, "CHAOS": chaos}
        super().__init__(command, environ, log)

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
