"""The servers of a run: killed at random, and restarted."""

import math
import time
from collections.abc import Sequence
from random import Random

from tests.chaos.installation import Installation, wait_until_free
from tests.chaos.journal import Journal
from tests.chaos.processes import FLASK, WEB, Process
from tests.chaos.tally import ALL_AT_ONCE, Tally
from tests.host import free_port

ARMED = 5
"""Number of armed steps per process."""

SECONDS_BETWEEN = 4
ANSWERS_BETWEEN = 40
"""Averages between two random kills, in seconds and in responses; the first to elapse counts."""

WEBS = {"sqlite": 1, "postgres": 3, "postgres-ha": 2, "postgres-pgbouncer": 2}
"""One web process on SQLite; on PostgreSQL several share the work."""

SCHEDULERS = 2


class Server:
    """A web process if it has a port, otherwise a scheduler."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name, self.port = name, port
        self.process: Process | None = None
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
        """Kill due servers and restart dead ones."""
        for server in self._servers:
            process = server.process
            if process.exit_code is None and self._is_due(server):
                process.kill()
            if process.exit_code is None:
                continue
            if process.was_killed:
                self._tally.record(process)
            else:
                self._journal.fault(f"{server.name} exited unexpectedly with {process.exit_code}")
            self._start(server, armed=server.is_armed)

    def kill(self) -> None:
        """Kill all servers at once, as in a host failure; it counts as one kill."""
        processes = [server.process for server in self._servers if server.process is not None]
        for process in processes:
            process.kill()
        for number, process in enumerate(processes):
            if number == 0 or process.killed_at:
                self._tally.record(process, ALL_AT_ONCE)
            else:
                self._tally.record_survival(process)

    def stop(self) -> None:
        """Stop each server gracefully."""
        for server in self._servers:
            server.process.terminate()
        for server in self._servers:
            code = server.process.wait()
            self._tally.record_survival(server.process)
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
        server.process = self._installation.start(command, server.name, steps, **environ)
        if not armed:
            server.last_second = server.last_answer = math.inf
            return
        share = len(self._servers)
        seconds, answers = SECONDS_BETWEEN * share, ANSWERS_BETWEEN * share
        server.last_second = time.monotonic() + self._random.expovariate(1 / seconds)
        server.last_answer = self._answers + self._random.expovariate(1 / answers)

    def _is_due(self, server: Server) -> bool:
        """Return whether a random kill is due."""
        return time.monotonic() > server.last_second or self._answers > server.last_answer

    @property
    def _answers(self) -> int:
        return self._journal.answers.total()
