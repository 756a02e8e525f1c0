"""One chaos run: kill the servers of an installation under traffic, then compare its books."""

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
from tests.chaos.fault_injection import FaultInjector
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Account, Installation
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer, ServerState
from tests.chaos.receiver import Receiver
from tests.chaos.records import is_settled
from tests.chaos.staff import Staff
from tests.chaos.stripe import StripeBooks
from tests.chaos.tally import Tally
from tests.chaos.traffic import Traffic
from tests.host import free_port

FEWEST, MOST = 3, 6
"""Minimum and maximum number of accounts; short runs have fewer."""

OUTAGE_EVERY = 8
"""Number of kills between two simulated outages."""

LOG_EVERY = 25
"""Number of kills between two log lines."""

PATIENCE = 5.0
"""Average seconds per kill before the run gives up."""

CLOCK_STEPS = 2 * tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 1, 1, 1, 11, 60, 300, 960, 1860, *[3600] * 6, *[4 * 3600] * 12)
)
"""Clock steps until all work is done: L10's timetable, and the delays between emails.

An account far below its threshold is refilled once a step, until the burst limit pauses it. The
second half is for accounts whose methods are suspended during the 48 hours of the first.
"""

Log = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    tally: Tally
    journal: Journal
    figures: Figures
    differences: list[Difference]
    seconds: float
    """Duration of the killing phase."""
    fail_overs: list[FailOver]


def run(kills: int, seed: int, kind: str, log: Log, processor: str = "sandbox") -> Outcome:
    # Only processes die, never the machine, so the files can be in memory.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ballast-", dir=memory)))
        base = stack.enter_context(database(kind, folder))
        return Run(kills, seed, kind, folder, base, stack, log, processor).execute()


class Run:
    def __init__(
        self,
        kills: int,
        seed: int,
        kind: str,
        folder: Path,
        base: Database,
        stack: ExitStack,
        log: Log,
        processor: str,
    ) -> None:
        """Cleanup is registered on the `stack`."""
        self._kills, self._seed, self._log = kills, seed, log
        self._journal, self._tally = Journal(), Tally(self._seeded("tally"))
        self._over = Event()
        self._fail_overs: list[FailOver] = []
        self._mails = MailServer(free_port())
        stack.callback(self._mails.stop)
        self._mails.set_state(ServerState.UP)
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
        shared = (self._installation, self._journal, self._tally, self._seeded("fleet"))
        self._add_provider_endpoint()
        self._fleet = Fleet(kind, *shared)
        stack.callback(self._fleet.kill)
        self._injector = FaultInjector(self._installation, self._mails, self._seeded("mischief"))
        shared = (self._journal, self._tally, self._seeded("staff"), self._over)
        self._staff = Staff(self._installation, self._accounts, *shared)

    def _account(self, name: str) -> Account:
        """Create an account with a webhook endpoint."""
        account, path = self._installation.account(name), f"/{name}"
        add = ("webhooks", "add", str(account.id), self._receiver.url(path), "--json")
        self._receiver.secrets[path] = self._installation.command(*add).json["secret"]
        return account

    def _add_provider_endpoint(self) -> None:
        """Add an endpoint that receives the events of every account (V7)."""
        path = "/provider"
        add = ("provider-webhooks", "add", self._receiver.url(path), "--json")
        self._receiver.secrets[path] = self._installation.command(*add).json["secret"]

    def execute(self) -> Outcome:
        shared = (self._staff, self._mails, self._journal, self._seeded, self._over)
        traffic = Traffic(self._accounts, self._fleet.addresses, self._installation, *shared)
        self._fleet.start(armed=False)
        traffic.set_up()
        self._log("the accounts are set up; starting the kills")
        started_at = time.monotonic()
        with traffic.running():
            base = self._installation.database
            self._fail_over(base) if isinstance(base, Replicated) else self._kill()
            seconds = time.monotonic() - started_at
            self._log("no more kills; stopping the traffic")
        traffic.deliver_remaining()
        self._fleet.stop()
        self._log("the servers have stopped; advancing the clock until all work is done")
        self._settle()
        return self._compared(seconds)

    def _seeded(self, name: str) -> Random:
        """Return a random generator of this component, independent of the others."""
        return Random(f"{self._seed} {name}")

    def _kill(self) -> None:
        gives_up_at = time.monotonic() + 30 + self._kills * PATIENCE
        next_outage, next_log = 0, LOG_EVERY
        while self._tally.count < self._kills:
            if self._tally.count >= next_outage:
                self._simulate_outage()
                next_outage = self._tally.count + OUTAGE_EVERY
            self._fleet.kill_and_restart()
            self._injector.act()
            if self._tally.count >= next_log:
                self._log(f"{self._tally.count} kills")
                next_log += LOG_EVERY
            if time.monotonic() > gives_up_at:
                self._journal.fault(f"only {self._tally.count} kills happened in time")
                break
            time.sleep(0.01)
        self._fleet.kill()
        self._fleet.start(armed=False)

    def _fail_over(self, database: Replicated) -> None:
        """Kill the database's servers instead of the product's processes."""
        shared = (self._fleet, self._injector, self._journal, self._tally)
        fail_overs = FailOvers(database, *shared, self._seeded("fail-over"))
        while len(self._fail_overs) < self._kills:
            done = fail_overs.one()
            if done is None:
                return
            self._fail_overs.append(done)
            self._log(f"fail-over {len(self._fail_overs)}: {done}")

    def _simulate_outage(self) -> None:
        lasts = self._injector.plan_outage()
        self._fleet.kill()
        self._installation.advance_clock(lasts)
        self._fleet.start(armed=True)

    def _settle(self) -> None:
        """Run the jobs alone, so that no call is open while the clock jumps."""
        self._injector.end()
        if self._stripe:
            self._stripe.stand_in.failures.clear()
        for step in CLOCK_STEPS:
            jobs = self._installation.command("jobs", "run")
            if jobs.code != 0:
                self._journal.fault(f"jobs run: {jobs.text[-2000:]}")
            self._staff.decide()
            if is_settled(self._installation.snapshot):
                return
            self._installation.advance_clock(step)

    def _compared(self, seconds: float) -> Outcome:
        check = self._installation.command("ledger", "check")
        if check.code != 0:
            self._journal.fault(check.text)
        found, received = self._installation.snapshot, self._mails.received
        shared = (self._journal, self._accounts, received, self._receiver)
        compared, counted = differences(found, *shared), figures(found, received, self._receiver)
        return Outcome(self._tally, self._journal, counted, compared, seconds, self._fail_overs)
