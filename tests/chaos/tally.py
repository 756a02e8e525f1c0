"""Counts kills and passes per step, and chooses the steps of the next kills."""

from collections import Counter
from random import Random
from threading import Lock

from tests.chaos.processes import Process
from tests.chaos.steps import all_steps

PRIORITY = 5
"""Factor by which kills are more frequent at the `PRIORITIZED` steps."""

LATE = 150
"""After this many kills, each process is also armed with all steps passed but never killed at."""

PRIORITIZED = (
    "books: charges.book",
    "charge.",
    "deliver_webhooks.",
    "pay.",
    "pay_by_auto_charge.",
    "post_usage.",
    "receive_event.",
    "reconcile.",
    "send_emails.",
    "settle.",
    "apply_reversal.",
    "top_up.",
)
"""Prefixes of the steps that handle money, usage or emails."""

RANDOM_MOMENT = "at a random moment"
ALL_AT_ONCE = "all at once"
PRIMARY = "the database's primary"


class Tally:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._steps = all_steps()
        self._lock = Lock()
        self.kills: Counter[str] = Counter()
        self.passes: Counter[str] = Counter()
        """Number of processes that passed a step."""

    @property
    def count(self) -> int:
        return self.kills.total()

    @property
    def never_reached(self) -> list[str]:
        return sorted(self._steps - self.passes.keys())

    @property
    def never_killed(self) -> list[str]:
        return sorted(step for step in self._steps & self.passes.keys() if not self.kills[step])

    def arm(self, count: int) -> dict[str, int]:
        """Choose a new process's kill points, mostly steps with few kills: pass number by step."""
        with self._lock:
            armed = {}
            steps = sorted(self._steps)
            weights = [self._weight(step) for step in steps]
            for step in self._random.choices(steps, weights, k=count):
                armed[step] = self._random.randint(1, 3) if self.kills[step] else 1
            return armed | (dict.fromkeys(self.never_killed, 1) if self.count > LATE else {})

    def _weight(self, step: str) -> float:
        kills = self.kills[step] / (PRIORITY if step.startswith(PRIORITIZED) else 1)
        return 1 / (1 + kills) ** 2

    def record(self, process: Process, cause: str = RANDOM_MOMENT) -> None:
        """Record a killed process, by the step that killed it or else by `cause`."""
        with self._lock:
            self.passes.update(process.passed)
            self.kills[process.killed_at or cause] += 1

    def record_other(self, cause: str) -> None:
        """Record a kill of anything other than a process of the product."""
        with self._lock:
            self.kills[cause] += 1

    def record_survival(self, process: Process) -> None:
        """Record the steps of a process that was not killed at one."""
        with self._lock:
            self.passes.update(process.passed)
