"""One run: an installation under traffic whose processes are killed, and what is left of it."""

import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event

from tests.chaos.client import Client
from tests.chaos.comparison import Difference, Figures, differences, figures
from tests.chaos.databases import Database, database
from tests.chaos.installation import Account, Installation, free_port
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer, Mood
from tests.chaos.meter import Meter
from tests.chaos.mischief import Mischief
from tests.chaos.person import Person
from tests.chaos.staff import Staff
from tests.chaos.tally import ALL_AT_ONCE, Tally
from tests.chaos.topology import Server, servers
from tests.chaos.traces import is_at_rest

ACCOUNTS = 6

PACE = {"person": 0.1, "meter": 0.4, "staff": 2.0}
"""Seconds between two deeds of one of them, on average."""

OUTAGE_EVERY = 8
"""Kills."""

TOLD_EVERY = 25

PATIENCE = 5.0
"""Seconds that a kill may take, on average, before the run gives up."""

LADDER = tuple(
    timedelta(seconds=seconds) for seconds in (11, 60, 300, 960, 1860, *[3600] * 6, *[4 * 3600] * 6)
)
"""How the clock is moved until all is at rest: L10's timetable, and the pauses between mails."""


@dataclass(frozen=True)
class Outcome:
    tally: Tally
    journal: Journal
    figures: Figures
    differences: list[Difference]
    seconds: float
    """Of the killing alone."""


class Run:
    def __init__(
        self, kills: int, seed: int, kind: str, folder: Path, database_: Database, tell: Callable
    ) -> None:
        self._kills, self._seed, self._tell = kills, seed, tell
        self._journal, self._tally = Journal(), Tally(self._random("tally"))
        self._leaving, self._over = Event(), Event()
        mail_port = free_port()
        self._mails = MailServer(mail_port)
        self._mails.be(Mood.UP)
        self._installation = Installation(folder, database_, mail_port)
        with ThreadPoolExecutor(ACCOUNTS) as pool:
            names = [f"harbour-{number}" for number in range(ACCOUNTS)]
            self._accounts = list(pool.map(self._installation.account, names))
            ids = [str(account.id) for account in self._accounts]
            list(
                pool.map(
                    lambda id_: self._installation.command("accounts", "paypal", id_, "on"), ids
                )
            )
        tell("the installation is there, with its accounts")
        around = (self._installation, self._journal, self._tally, self._random("servers"))
        self._servers = servers(kind, *around)
        self._mischief = Mischief(self._installation, self._mails, self._random("mischief"))
        around = (self._journal, self._tally, self._random("staff"), self._over)
        self._staff = Staff(self._installation, self._accounts, *around)

    def go(self) -> Outcome:
        people, meters = self._people(), self._meters()
        self._start_all(armed=False)
        with ThreadPoolExecutor(ACCOUNTS) as pool:
            list(pool.map(Person.move_in, people))
        self._tell("people have moved in; now the kills")
        started_at = time.monotonic()
        with self._traffic(people, meters):
            self._kill()
            seconds = time.monotonic() - started_at
            self._tell("no more kills; the traffic comes to its end")
            self._kill_all()
            self._start_all(armed=False)
        self._stop()
        self._tell("everybody is gone; the clock moves until all is at rest")
        self._settle()
        return self._compared(seconds)

    def close(self) -> None:
        self._over.set()
        self._leaving.set()
        for server in self._servers:
            if server.life is not None:
                server.life.kill()
        self._mails.stop()
        self._installation.books.close()

    # Who is there

    def _people(self) -> list[Person]:
        return [
            Person(
                account,
                self._client(f"person {account.name}"),
                self._journal,
                self._random(f"person {account.name} acts"),
                self._mails,
                lambda: self._installation.now,
            )
            for account in self._accounts
        ]

    def _meters(self) -> list[Meter]:
        return [
            Meter(
                account,
                self._client(f"meter {account.name}", account),
                self._journal,
                self._random(f"meter {account.name} acts"),
            )
            for account in self._accounts
        ]

    def _client(self, name: str, account: Account | None = None) -> Client:
        key = {"Authorization": f"Bearer {account.api_key}"} if account else {}
        addresses = [server.address for server in self._servers if server.port]
        return Client(addresses, self._journal, self._random(name), self._over, key)

    def _random(self, name: str) -> Random:
        return Random(f"{self._seed} {name}")

    @contextmanager
    def _traffic(self, people: list[Person], meters: list[Meter]) -> Iterator[None]:
        """Everybody acts until the body ends, and then comes to the end of their last deed."""
        acts = [(person.act, "person") for person in people]
        acts += [(meter.act, "meter") for meter in meters]
        acts.append((self._staff.act, "staff"))
        with ThreadPoolExecutor(len(acts)) as pool:
            busy = [
                pool.submit(self._keep_at_it, act, PACE[who], self._random(f"{who} {n}"))
                for n, (act, who) in enumerate(acts)
            ]
            try:
                yield
            finally:
                self._leaving.set()
                wait(busy, 60)
                self._over.set()
        for fault in [one.exception() for one in busy]:
            if fault is not None:
                self._journal.fault("".join(traceback.format_exception(fault)))

    def _keep_at_it(self, act: Callable[[], None], pace: float, random: Random) -> None:
        while not self._leaving.is_set():
            act()
            self._leaving.wait(random.uniform(0, 2 * pace))

    # The kills

    def _kill(self) -> None:
        self._kill_all()
        self._start_all(armed=True)
        gives_up_at = time.monotonic() + 30 + self._kills * PATIENCE
        next_outage, next_told = OUTAGE_EVERY, TOLD_EVERY
        while self._tally.count < self._kills:
            for server in self._servers:
                self._look_after(server)
            if self._tally.count >= next_outage:
                next_outage = self._tally.count + OUTAGE_EVERY
                lasts = self._mischief.plan_outage()
                self._kill_all()
                self._installation.advance_clock(lasts)
                self._start_all(armed=True)
            self._mischief.act()
            if self._tally.count >= next_told:
                next_told += TOLD_EVERY
                self._tell(f"{self._tally.count} kills")
            if time.monotonic() > gives_up_at:
                self._journal.fault(f"only {self._tally.count} kills came about in the time")
                return
            time.sleep(0.01)

    def _look_after(self, server: Server) -> None:
        life = server.life
        if life.exit_code is None and server.is_due:
            life.kill()
        if life.exit_code is None:
            return
        if life.was_killed:
            self._tally.record(life)
        else:
            self._journal.fault(f"{server.name} ended by itself, with {life.exit_code}")
        server.start(armed=True)

    def _kill_all(self) -> None:
        """The host goes down: one kill, whatever has been running."""
        lives = [server.life for server in self._servers if server.life is not None]
        for life in lives:
            life.kill()
        for number, life in enumerate(lives):
            if number == 0 or life.killed_at:
                self._tally.record(life, ALL_AT_ONCE)
            else:
                self._tally.record_survival(life)

    def _start_all(self, *, armed: bool) -> None:
        for server in self._servers:
            server.start(armed=armed)

    # The end

    def _stop(self) -> None:
        """Graceful: each finishes what is under way."""
        for server in self._servers:
            server.life.terminate()
        for server in self._servers:
            code = server.life.wait()
            self._tally.record_survival(server.life)
            if code != 0:
                self._journal.fault(f"{server.name} was asked to end, and ended with {code}")

    def _settle(self) -> None:
        """Nothing else runs, so that no call is under way while the clock jumps."""
        self._over.set()
        self._mischief.end()
        for step in LADDER:
            for _ in range(2):
                self._installation.command("jobs", "run")
            self._staff.decide()
            if is_at_rest(self._installation.found):
                return
            self._installation.advance_clock(step)

    def _compared(self, seconds: float) -> Outcome:
        check = self._installation.command("ledger", "check")
        if check.code != 0:
            self._journal.fault(check.text)
        found, received = self._installation.found, self._mails.received
        compared = differences(found, self._journal, self._accounts, received)
        return Outcome(self._tally, self._journal, figures(found, received), compared, seconds)


def run(kills: int, seed: int, kind: str, tell: Callable[[str], None]) -> Outcome:
    # What ends is a process and never the machine, so the files may as well lie in memory.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ballast-", dir=memory)))
        base = stack.enter_context(database(kind, folder))
        one = Run(kills, seed, kind, folder, base, tell)
        stack.callback(one.close)
        return one.go()
