"""One run: an installation under traffic whose servers are killed, and what is left of it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event

from tests.chaos.comparison import Difference, Figures, differences, figures
from tests.chaos.databases import Database, Replicated, database
from tests.chaos.fail_over import FailOver, FailOvers
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Account, Installation
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer, Mood
from tests.chaos.mischief import Mischief
from tests.chaos.receiver import Receiver
from tests.chaos.staff import Staff
from tests.chaos.stripe import StripeBooks
from tests.chaos.tally import Tally
from tests.chaos.traces import is_at_rest
from tests.chaos.traffic import Traffic
from tests.host import free_port

FEWEST, MOST = 3, 6
"""Accounts: a short run has no time for many."""

OUTAGE_EVERY = 8
"""Kills."""

TOLD_EVERY = 25

PATIENCE = 5.0
"""Seconds that a kill may take, on average, before the run gives up."""

LADDER = 2 * tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 1, 1, 1, 11, 60, 300, 960, 1860, *[3600] * 6, *[4 * 3600] * 12)
)
"""How the clock is moved until all is at rest: L10's timetable, and the pauses between emails. An
account far below its threshold is refilled once a step, until the burst breaker pauses it. The
second half is for accounts whose methods were suspended for the 48 hours of the first."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    tally: Tally
    journal: Journal
    figures: Figures
    differences: list[Difference]
    seconds: float
    """Of the killing alone."""
    fail_overs: list[FailOver]


def run(kills: int, seed: int, kind: str, tell: Tell, processor: str = "sandbox") -> Outcome:
    # What ends is a process and never the machine, so the files may as well lie in memory.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ballast-", dir=memory)))
        base = stack.enter_context(database(kind, folder))
        return Run(kills, seed, kind, folder, base, stack, tell, processor).go()


class Run:
    def __init__(
        self,
        kills: int,
        seed: int,
        kind: str,
        folder: Path,
        base: Database,
        stack: ExitStack,
        tell: Tell,
        processor: str,
    ) -> None:
        """What has to be ended is put on the `stack`."""
        self._kills, self._seed, self._tell = kills, seed, tell
        self._journal, self._tally = Journal(), Tally(self._seeded("tally"))
        self._over = Event()
        self._fail_overs: list[FailOver] = []
        self._mails = MailServer(free_port())
        stack.callback(self._mails.stop)
        self._mails.be(Mood.UP)
        self._receiver = Receiver(self._seeded("receiver"))
        stack.callback(self._receiver.stop)
        self._stripe = None
        if processor == "stripe":
            self._stripe = StripeBooks(lambda: self._installation.now)
            stack.enter_context(self._stripe.stand_in)
        self._installation = Installation(folder, base, self._mails.port, self._stripe)
        stack.callback(self._installation.books.close)
        names = [f"harbour-{number}" for number in range(min(MOST, max(FEWEST, kills // 25)))]
        with ThreadPoolExecutor(len(names)) as pool:
            self._accounts = list(pool.map(self._account, names))
        around = (self._installation, self._journal, self._tally, self._seeded("fleet"))
        self._fleet = Fleet(kind, *around)
        stack.callback(self._fleet.kill)
        self._mischief = Mischief(self._installation, self._mails, self._seeded("mischief"))
        around = (self._journal, self._tally, self._seeded("staff"), self._over)
        self._staff = Staff(self._installation, self._accounts, *around)

    def _account(self, name: str) -> Account:
        """With somebody who listens to its events."""
        account, path = self._installation.account(name), f"/{name}"
        add = ("webhooks", "add", str(account.id), self._receiver.url(path), "--json")
        self._receiver.secrets[path] = self._installation.command(*add).json["secret"]
        return account

    def go(self) -> Outcome:
        around = (self._staff, self._mails, self._journal, self._seeded, self._over)
        traffic = Traffic(self._accounts, self._fleet.addresses, self._installation, *around)
        self._fleet.start(armed=False)
        traffic.move_in()
        self._tell("people have moved in; now the kills")
        started_at = time.monotonic()
        with traffic.flowing():
            base = self._installation.database
            self._fail_over(base) if isinstance(base, Replicated) else self._kill()
            seconds = time.monotonic() - started_at
            self._tell("no more kills; the traffic comes to its end")
        traffic.tell_the_rest()
        self._fleet.stop()
        self._tell("everybody is gone; the clock moves until all is at rest")
        self._settle()
        return self._compared(seconds)

    def _seeded(self, name: str) -> Random:
        """Everybody makes their own choices, whatever the others do meanwhile."""
        return Random(f"{self._seed} {name}")

    def _kill(self) -> None:
        gives_up_at = time.monotonic() + 30 + self._kills * PATIENCE
        next_outage, next_told = 0, TOLD_EVERY
        while self._tally.count < self._kills:
            if self._tally.count >= next_outage:
                self._have_an_outage()
                next_outage = self._tally.count + OUTAGE_EVERY
            self._fleet.look_after()
            self._mischief.act()
            if self._tally.count >= next_told:
                self._tell(f"{self._tally.count} kills")
                next_told += TOLD_EVERY
            if time.monotonic() > gives_up_at:
                self._journal.fault(f"only {self._tally.count} kills came about in the time")
                break
            time.sleep(0.01)
        self._fleet.kill()
        self._fleet.start(armed=False)

    def _fail_over(self, database: Replicated) -> None:
        """Here the database's servers are killed, and no process of the product's."""
        around = (self._fleet, self._mischief, self._journal, self._tally)
        fail_overs = FailOvers(database, *around, self._seeded("fail-over"))
        while len(self._fail_overs) < self._kills:
            done = fail_overs.one()
            if done is None:
                return
            self._fail_overs.append(done)
            self._tell(f"fail-over {len(self._fail_overs)}: {done}")

    def _have_an_outage(self) -> None:
        lasts = self._mischief.plan_outage()
        self._fleet.kill()
        self._installation.advance_clock(lasts)
        self._fleet.start(armed=True)

    def _settle(self) -> None:
        """Nothing else runs, so that no call is under way while the clock jumps."""
        self._mischief.end()
        if self._stripe:
            self._stripe.stand_in.failures.clear()
        for step in LADDER:
            jobs = self._installation.command("jobs", "run")
            if jobs.code != 0:
                self._journal.fault(f"jobs run: {jobs.text[-2000:]}")
            self._staff.decide()
            if is_at_rest(self._installation.found):
                return
            self._installation.advance_clock(step)

    def _compared(self, seconds: float) -> Outcome:
        check = self._installation.command("ledger", "check")
        if check.code != 0:
            self._journal.fault(check.text)
        found, received = self._installation.found, self._mails.received
        around = (self._journal, self._accounts, received, self._receiver)
        compared, counted = differences(found, *around), figures(found, received, self._receiver)
        return Outcome(self._tally, self._journal, counted, compared, seconds, self._fail_overs)
