"""Kill the database's primary under traffic; the product's processes are not restarted."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import requests

from tests.chaos.databases import Replicated
from tests.chaos.fault_injection import FaultInjector
from tests.chaos.fleet import Fleet
from tests.chaos.journal import USAGE, Journal
from tests.chaos.tally import PRIMARY, Tally

BETWEEN = (2.0, 5.0)
"""Minimum and maximum seconds of traffic before each kill."""

NOTICED = 3.0
"""Maximum seconds until the standby is promoted, as a watchdog needs some."""

PATIENCE = 60.0
"""Maximum seconds for the product to recover; about ten are usual."""

MAILED = "SELECT count(*) FROM notice WHERE state = 'sent'"
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN ballast_due'"


@dataclass(frozen=True)
class FailOver:
    """Durations in seconds from the kill."""

    promoted: float
    first_answer: float
    """Until usage sent after the kill is answered with 201."""
    recovered: float
    """Until each web process is ready, each worker listens again, and emails are sent."""


class FailOvers:
    def __init__(
        self,
        database: Replicated,
        fleet: Fleet,
        injector: FaultInjector,
        journal: Journal,
        tally: Tally,
        random: Random,
    ) -> None:
        self._database, self._fleet, self._injector = database, fleet, injector
        self._journal, self._tally, self._random = journal, tally, random

    def one(self) -> FailOver | None:
        """Run one fail-over; None if something did not recover, which the journal records."""
        self._pass(self._random.uniform(*BETWEEN))
        listening, mailed = self._count(LISTENING), self._count(MAILED)
        began = time.monotonic()
        self._database.kill_primary()
        self._tally.record_other(PRIMARY)
        self._pass(self._random.uniform(0, NOTICED))
        self._database.take_over()
        promoted = time.monotonic() - began
        steps: dict[str, Callable[[], bool]] = {
            "no usage was answered": lambda: self._journal.last_success.get(USAGE, 0.0) > began,
            "not every web process is ready": self._are_all_ready,
            "not every worker listens": lambda: self._count(LISTENING) >= listening,
            "no email is sent": lambda: self._count(MAILED) > mailed,
        }
        after = []
        for trouble, has_recovered in steps.items():
            while not has_recovered():
                self._pass(0.0)
                if time.monotonic() - began > PATIENCE:
                    self._journal.fault(f"{trouble} {PATIENCE:g} s after the primary was killed")
                    return None
            after.append(time.monotonic() - began)
        self._database.rebuild_standby()
        return FailOver(promoted, after[0], after[-1])

    def _pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            self._fleet.kill_and_restart()
            self._injector.act()
            time.sleep(0.01)
            if time.monotonic() > end:
                return

    def _count(self, sql: str) -> int:
        return int(str(self._database.one(sql)))

    def _are_all_ready(self) -> bool:
        probes = [f"{address}/readyz" for address in self._fleet.addresses]
        with suppress(requests.RequestException):
            return all(requests.get(probe, timeout=10).ok for probe in probes)
        return False
