"""Clients that use the installation while its servers are killed."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from random import Random
from threading import Event

from tests.chaos.client import Client
from tests.chaos.installation import Account, Installation
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer
from tests.chaos.meter import Meter
from tests.chaos.person import Person
from tests.chaos.processor_events import FORGED, ProcessorEvents
from tests.chaos.staff import Staff
from tests.chaos.stripe import StripeEvents

PACE = {Person: 0.1, Meter: 0.4, Staff: 2.0, ProcessorEvents: 1.0, StripeEvents: 0.5}
"""Average seconds between two actions."""

LAST_ACTION = 60
"""Maximum seconds for the last action."""


class Traffic:
    """Runs a person and a meter for each account, the staff, and the processors' events."""

    def __init__(
        self,
        accounts: Sequence[Account],
        addresses: Sequence[str],
        installation: Installation,
        staff: Staff,
        mails: MailServer,
        journal: Journal,
        seeded: Callable[[str], Random],
        over: Event,
    ) -> None:
        """`over` is set when unanswered requests are to be given up."""
        self._journal, self._seeded, self._over = journal, seeded, over

        outage = (503,) if installation.database.fails_over else ()

        def client(name: str, *also_expected: int, **headers: str) -> Client:
            shared = (journal, seeded(f"client of {name}"), over, headers)
            return Client(addresses, *shared, also_expected=frozenset(also_expected + outage))

        self._people, self._meters = [], []
        for account in accounts:
            person, meter = f"person {account.name}", f"meter {account.name}"
            shared = (journal, seeded(person), mails, lambda: installation.now)
            shared = (*shared, installation.stripe)
            self._people.append(Person(account, client(person), *shared))
            bearer = client(meter, Authorization=f"Bearer {account.api_key}")
            self._meters.append(Meter(account, bearer, journal, seeded(meter)))
        self._staff = staff
        shared = (client("aftermath", FORGED), journal, seeded("aftermath"))
        self._event_sources: list[ProcessorEvents | StripeEvents] = [
            ProcessorEvents(installation, *shared)
        ]
        if stripe := installation.stripe:
            shared = (client("stripe", FORGED), journal, seeded("stripe"))
            self._event_sources.append(StripeEvents(stripe, *shared))

    def set_up(self) -> None:
        with ThreadPoolExecutor(len(self._people)) as pool:
            list(pool.map(Person.set_up, self._people))

    def deliver_remaining(self) -> None:
        """Deliver the remaining events of the processors."""
        for source in self._event_sources:
            source.deliver()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run all actors until the body ends, and let each finish its last action."""
        actors = [*self._people, *self._meters, self._staff, *self._event_sources]
        leaving = Event()
        with ThreadPoolExecutor(len(actors)) as pool:
            busy = [
                pool.submit(_act, actor, leaving, self._seeded(f"pace {number}"))
                for number, actor in enumerate(actors)
            ]
            try:
                yield
            except BaseException:
                self._over.set()  # the servers no longer respond
                raise
            finally:
                leaving.set()
                wait(busy, LAST_ACTION)
                self._over.set()
        for fault in [future.exception() for future in busy]:
            if fault is not None:
                self._journal.fault("".join(traceback.format_exception(fault)))


def _act(
    actor: Person | Meter | Staff | ProcessorEvents | StripeEvents, leaving: Event, random: Random
) -> None:
    while not leaving.is_set():
        actor.act()
        leaving.wait(random.uniform(0, 2 * PACE[type(actor)]))
