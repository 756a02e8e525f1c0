"""What one process works at beside its requests: what is under way, what is wrong, when it ends.

Trouble lasts for hours and is met many times a second. It is told once when it begins, and once
when there is evidence that it is over.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from threading import Condition

from webapp.database.errors import SENTENCES, fault_of
from webapp.database.schema_version import OtherVersion
from webapp.domain.shared.vault import WrongKey
from webapp.ports import MailServerUnavailable

log = logging.getLogger(__name__)

STALLED_AFTER = 60.0
"""Seconds after which a loop that has not come round is taken for dead."""


Task = Callable[[], int | None]
"""Returns how many things it did; 0 is no evidence of anything."""


class Supervisor:
    def __init__(self) -> None:
        self._changed = Condition()
        self._under_way: Counter[str] = Counter()
        self._outage: set[str] = set()
        self._faults: dict[str, tuple[type[Exception], str]] = {}
        """By task: what is wrong with it alone."""
        self._rounds: dict[str, float] = {}
        self._closed_at: float | None = None

    def run(self, task: str, do: Task) -> bool:
        """Do it, unless the shift is closed. False if it came to nothing; it never raises."""
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

    # What is wrong

    @property
    def has_outage(self) -> bool:
        """The database cannot be used, as far as is known: whoever finds that it can, says so."""
        return bool(self._outage)

    def outage_is_over(self) -> None:
        with self._changed:
            was, self._outage = self._outage, set()
        if was:
            log.info("Over: %s. What has waited goes on.", "; ".join(sorted(was)))

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
            log.error("%s. What is due waits.", sentence)
        else:
            log.error("%s could not go on", task, exc_info=error)

    def _went_well(self, task: str, done: int | None) -> None:
        with self._changed:
            kind, sentence = self._faults.get(task, (None, ""))
            if kind is None or (kind is MailServerUnavailable and done == 0):
                return
            del self._faults[task]
        log.info("Over: %s. What has waited goes on.", sentence or task)

    # Whether it still moves

    def heartbeat(self, loop: str) -> None:
        """The loop lives; from now on it is missed when it falls silent."""
        self._rounds[loop] = time.monotonic()

    def stalled(self) -> list[str]:
        """The loops that have stopped."""
        latest = time.monotonic() - STALLED_AFTER
        return [loop for loop, at in self._rounds.items() if at < latest]

    # When it ends

    def should_continue(self) -> bool:
        """False once the process is to end: then nothing new is begun."""
        return self._closed_at is None

    def close(self) -> None:
        """Begin nothing new. It does not wait, so a signal's handler may call it."""
        if self._closed_at is None:
            self._closed_at = time.monotonic()

    def end(self, within: float) -> list[str]:
        """Wait until what is under way is done. What still is, so many seconds after `close`."""
        self.close()
        deadline = (self._closed_at or 0.0) + within
        with self._changed:
            self._changed.wait_for(
                lambda: not self._under_way.total(), max(0.0, deadline - time.monotonic())
            )
            return sorted(self._under_way.elements())


def sentence_of(error: BaseException) -> str:
    """What is wrong in the surroundings, for the operator; empty for an error that is ours."""
    if fault_of(error) is None:
        return _briefly(error)
    detail = " ".join(str(getattr(error, "orig", error)).split())
    return f"{_briefly(error)} ({detail})"


def _briefly(error: BaseException) -> str:
    """Without the driver's own words, of which one trouble has many."""
    if isinstance(error, (OtherVersion, WrongKey, MailServerUnavailable)):
        return str(error)
    fault = fault_of(error)
    return SENTENCES[fault] if fault else ""
