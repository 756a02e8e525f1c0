"""The servers of a run, restarted whenever they die."""

import math
import time
from collections.abc import Sequence
from random import Random

from tests.chaos.installation import Installation, wait_until_free
from tests.chaos.journal import Journal
from tests.chaos.processes import FLASK, WEB, Life
from tests.chaos.tally import ALL_AT_ONCE, Tally
from tests.host import free_port

ARMED = 5
"""Armed steps per process."""

SECONDS_BETWEEN = 4
ANSWERS_BETWEEN = 40
"""Averages between two random kills, in seconds and in responses; the first to pass decides."""

WEBS = {"sqlite": 1, "postgres": 3, "postgres-ha": 2, "postgres-pgbouncer": 2}
"""One web process on SQLite; on PostgreSQL several share the work."""

SCHEDULERS = 2


class Server:
    """A web process if it has a port, otherwise a scheduler."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name, self.port = name, port
        self.life: Life | None = None
        self.is_armed = False
        self.last_second, self.last_answer = 0.0, 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Fleet:
    def __init__(
        self,
        kind: str,
        installation: Installation,
        journal: Journal,
        tally: Tally,
        random: Random,
    ) -> None:
        self._installation, self._journal = installation, journal
        self._tally, self._random = tally, random
        webs = [Server(f"web-{number}", free_port()) for number in range(WEBS[kind])]
        self._servers = [*webs, *(Server(f"jobs-{number}") for number in range(SCHEDULERS))]

    @property
    def addresses(self) -> Sequence[str]:
        return [server.address for server in self._servers if server.port]

    def start(self, *, armed: bool) -> None:
        for server in self._servers:
            self._start(server, armed=armed)

    def kill_and_restart(self) -> None:
        """Kill the servers that are due and restart those that died."""
        for server in self._servers:
            life = server.life
            if life.exit_code is None and self._is_due(server):
                life.kill()
            if life.exit_code is None:
                continue
            if life.was_killed:
                self._tally.record(life)
            else:
                self._journal.fault(f"{server.name} exited unexpectedly with {life.exit_code}")
            self._start(server, armed=server.is_armed)

    def kill(self) -> None:
        """Kill all servers at once, as in a host failure; it counts as one kill."""
        lives = [server.life for server in self._servers if server.life is not None]
        for life in lives:
            life.kill()
        for number, life in enumerate(lives):
            if number == 0 or life.killed_at:
                self._tally.record(life, ALL_AT_ONCE)
            else:
                self._tally.record_survival(life)

    def stop(self) -> None:
        """Stop each server gracefully."""
        for server in self._servers:
            server.life.terminate()
        for server in self._servers:
            code = server.life.wait()
            self._tally.record_survival(server.life)
            if code != 0:
                self._journal.fault(f"{server.name} was terminated and exited with {code}")

    def _start(self, server: Server, *, armed: bool) -> None:
        environ = {}
        if server.port:
            wait_until_free(server.port)
            # A web process may include its own worker and scheduler.
            environ = {"PORT": str(server.port), "RUN_JOBS": self._random.choice("001")}
        command = WEB if server.port else (*FLASK, "jobs", "start")
        steps = self._tally.arm(ARMED) if armed else {}
        server.is_armed = armed
        server.life = self._installation.start(command, server.name, steps, **environ)
        if not armed:
            server.last_second = server.last_answer = math.inf
            return
        share = len(self._servers)
        seconds, answers = SECONDS_BETWEEN * share, ANSWERS_BETWEEN * share
        server.last_second = time.monotonic() + self._random.expovariate(1 / seconds)
        server.last_answer = self._answers + self._random.expovariate(1 / answers)

    def _is_due(self, server: Server) -> bool:
        """Return whether a random kill is due, if no armed step has killed it before."""
        return time.monotonic() > server.last_second or self._answers > server.last_answer

    @property
    def _answers(self) -> int:
        return self._journal.answers.total()
