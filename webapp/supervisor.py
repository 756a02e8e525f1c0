"""Supervision of a process's background tasks: running tasks, failures, stalls and shutdown.

A failure can last for hours and occur many times a second. It is logged once when it begins, and
once when a success shows that it is over.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from threading import Condition

from webapp.database.errors import SENTENCES, fault_of
from webapp.database.schema_version import OtherVersion
from webapp.database.vault import WrongKey
from webapp.ports import MailServerUnavailable

log = logging.getLogger(__name__)

STALLED_AFTER = 60.0
"""Seconds after which a loop without a heartbeat counts as stalled."""


Task = Callable[[], int | None]
"""Returns the number of processed items; 0 does not prove that a failure is over."""


class Supervisor:
    def __init__(self) -> None:
        self._changed = Condition()
        self._under_way: Counter[str] = Counter()
        self._outage: set[str] = set()
        self._faults: dict[str, tuple[type[Exception], str]] = {}
        """Current failure of each task, other than a database outage."""
        self._rounds: dict[str, float] = {}
        self._closed_at: float | None = None

    def run(self, task: str, do: Task) -> bool:
        """Run a task, unless the process is shutting down; returns success. Never raises."""
        with self._changed:
            if not self.should_continue():
                return False
            self._under_way[task] += 1
        try:
            done = do()
        except Exception as error:  # noqa: BLE001 - nothing may end the loop it is called in
            self._went_wrong(task, error)
            return False
        else:
            self._went_well(task, done)
            return True
        finally:
            with self._changed:
                self._under_way[task] -= 1
                self._changed.notify_all()

    # Failures

    @property
    def has_outage(self) -> bool:
        """Whether a database outage was seen and not yet cleared by `outage_is_over`."""
        return bool(self._outage)

    def outage_is_over(self) -> None:
        with self._changed:
            was, self._outage = self._outage, set()
        if was:
            log.info("Over: %s. Waiting work continues.", "; ".join(sorted(was)))

    def _went_wrong(self, task: str, error: Exception) -> None:
        sentence = sentence_of(error)
        with self._changed:
            if sentence and not isinstance(error, MailServerUnavailable):
                known = _briefly(error) in self._outage
                self._outage.add(_briefly(error))
            else:
                was, _ = self._faults.get(task, (None, ""))
                known = was is type(error)
                self._faults[task] = type(error), _briefly(error)
        if known:
            return
        if sentence:
            log.error("%s. Due work waits.", sentence)
        else:
            log.error("%s failed", task, exc_info=error)

    def _went_well(self, task: str, done: int | None) -> None:
        with self._changed:
            kind, sentence = self._faults.get(task, (None, ""))
            if kind is None or (kind is MailServerUnavailable and done == 0):
                return
            del self._faults[task]
        log.info("Over: %s. Waiting work continues.", sentence or task)

    # Stalls

    def heartbeat(self, loop: str) -> None:
        """Record that a loop is alive; from its first heartbeat on the loop is monitored."""
        self._rounds[loop] = time.monotonic()

    def stalled(self) -> list[str]:
        """Return the loops without a heartbeat for `STALLED_AFTER` seconds."""
        latest = time.monotonic() - STALLED_AFTER
        return [loop for loop, at in self._rounds.items() if at < latest]

    # Shutdown

    def should_continue(self) -> bool:
        """Return whether new work may start; False once the process is shutting down."""
        return self._closed_at is None

    def close(self) -> None:
        """Begin the shutdown: no new work starts. Never blocks, so signal handlers may call it."""
        if self._closed_at is None:
            self._closed_at = time.monotonic()

    def end(self, within: float) -> list[str]:
        """Wait for running tasks, up to `within` seconds after `close`; returns those left."""
        self.close()
        deadline = (self._closed_at or 0.0) + within
        with self._changed:
            self._changed.wait_for(
                lambda: not self._under_way.total(), max(0.0, deadline - time.monotonic())
            )
            return sorted(self._under_way.elements())


def sentence_of(error: BaseException) -> str:
    """Return a line for the operator about an outage; empty for a bug."""
    if fault_of(error) is None:
        return _briefly(error)
    detail = " ".join(str(getattr(error, "orig", error)).split())
    return f"{_briefly(error)} ({detail})"


def _briefly(error: BaseException) -> str:
    """Return the line without the driver's message, which varies for the same outage."""
    if isinstance(error, (OtherVersion, WrongKey, MailServerUnavailable)):
        return str(error)
    fault = fault_of(error)
    return SENTENCES[fault] if fault else ""
