"""Counts kills and passes per step, and chooses the steps of the next kills."""

from collections import Counter
from random import Random
from threading import Lock

from tests.chaos.processes import Life
from tests.chaos.steps import all_steps

KEEN = 5
"""Factor by which processes die more often where money, usage or an email is at stake."""

LATE = 150
"""After this many kills, every process dies at steps that were passed but never killed."""

BETWEEN = (
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

RANDOM_MOMENT = "at a random moment"
ALL_AT_ONCE = "all at once"
PRIMARY = "the database's primary"


class Tally:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._steps = all_steps()
        self._lock = Lock()
        self.kills: Counter[str] = Counter()
        self.lives: Counter[str] = Counter()
        """Number of processes that passed a step."""

    @property
    def count(self) -> int:
        return self.kills.total()

    @property
    def never_reached(self) -> list[str]:
        return sorted(self._steps - self.lives.keys())

    @property
    def never_killed(self) -> list[str]:
        return sorted(step for step in self._steps & self.lives.keys() if not self.kills[step])

    def arm(self, count: int) -> dict[str, int]:
        """Choose steps for a new process, mostly those with few kills, and the pass to kill at."""
        with self._lock:
            armed = {}
            steps = sorted(self._steps)
            weights = [self._weight(step) for step in steps]
            for step in self._random.choices(steps, weights, k=count):
                armed[step] = self._random.randint(1, 3) if self.kills[step] else 1
            return armed | (dict.fromkeys(self.never_killed, 1) if self.count > LATE else {})

    def _weight(self, step: str) -> float:
        kills = self.kills[step] / (KEEN if step.startswith(BETWEEN) else 1)
        return 1 / (1 + kills) ** 2

    def record(self, life: Life, how: str = RANDOM_MOMENT) -> None:
        """Record a killed process: at a step, or from outside in this way."""
        with self._lock:
            self.lives.update(life.passed)
            self.kills[life.killed_at or how] += 1

    def record_other(self, how: str) -> None:
        """Record the kill of something other than a process of the product."""
        with self._lock:
            self.kills[how] += 1

    def record_survival(self, life: Life) -> None:
        with self._lock:
            self.lives.update(life.passed)
