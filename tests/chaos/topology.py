"""Which servers a run keeps alive, and one server through its many lives."""

import time
from collections.abc import Sequence
from random import Random

from tests.chaos.installation import Installation, free_port, wait_until_free
from tests.chaos.journal import Journal
from tests.chaos.processes import FLASK, WEB, Life
from tests.chaos.tally import Tally

ARMED = 5
"""Steps in each life."""

SECONDS_BETWEEN = 4
ANSWERS_BETWEEN = 40
"""Between two kills from outside, on average: whichever comes first, for on a slow machine little
happens in a second, and on a fast one much."""


class Server:
    """A web process or a scheduler: killed and started again, over and over."""

    def __init__(
        self,
        name: str,
        share: int,
        installation: Installation,
        journal: Journal,
        tally: Tally,
        random: Random,
        port: int = 0,
    ) -> None:
        """`share`: it is one of so many servers."""
        self.name, self.port, self._share = name, port, share
        self._installation, self._journal = installation, journal
        self._tally, self._random = tally, random
        self.life: Life | None = None
        self._last_second, self._last_answer = 0.0, 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_due(self) -> bool:
        """Its time to be killed from outside, if it came by no armed step."""
        answers = self._journal.answers.total()
        return time.monotonic() > self._last_second or answers > self._last_answer

    def start(self, *, armed: bool) -> None:
        steps = self._tally.arm(ARMED) if armed else {}
        if self.port:
            wait_until_free(self.port)
        command = WEB if self.port else (*FLASK, "jobs", "start")
        # A web process may bring its own worker and scheduler along.
        jobs = {"RUN_JOBS": self._random.choice("001"), "PORT": str(self.port)} if self.port else {}
        self.life = self._installation.start(command, self.name, steps, **jobs)
        seconds, answers = SECONDS_BETWEEN * self._share, ANSWERS_BETWEEN * self._share
        self._last_second = time.monotonic() + self._random.expovariate(1 / seconds)
        self._last_answer = self._journal.answers.total() + self._random.expovariate(1 / answers)


def servers(
    kind: str, installation: Installation, journal: Journal, tally: Tally, random: Random
) -> Sequence[Server]:
    """One host on SQLite; on PostgreSQL several web processes that share the work."""
    webs = ("web-1", "web-2", "web-3") if kind == "postgres" else ("web-1",)
    jobs = ("jobs-1", "jobs-2")
    around = (len(webs + jobs), installation, journal, tally, random)
    return [
        *(Server(name, *around, port=free_port()) for name in webs),
        *(Server(name, *around) for name in jobs),
    ]
