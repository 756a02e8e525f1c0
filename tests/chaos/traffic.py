"""Everybody who has to do with the installation while its servers are killed."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from random import Random
from threading import Event

from tests.chaos.aftermath import FORGED, Aftermath
from tests.chaos.client import Client
from tests.chaos.installation import Account, Installation
from tests.chaos.journal import Journal
from tests.chaos.mail_server import MailServer
from tests.chaos.meter import Meter
from tests.chaos.person import Person
from tests.chaos.staff import Staff
from tests.chaos.stripe import StripeAftermath

PACE = {Person: 0.1, Meter: 0.4, Staff: 2.0, Aftermath: 1.0, StripeAftermath: 0.5}
"""Seconds between two deeds of one of them, on average."""

LAST_DEED = 60
"""Seconds that somebody may take for it."""


class Traffic:
    """A person and a meter for each account, the provider's staff, and the processor afterwards."""

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
        """`over` is set when those who still find no answer are to give up."""
        self._journal, self._seeded, self._over = journal, seeded, over

        outage = (503,) if installation.database.fails_over else ()

        def client(name: str, *also_fine: int, **headers: str) -> Client:
            around = (journal, seeded(f"client of {name}"), over, headers)
            return Client(addresses, *around, also_fine=frozenset(also_fine + outage))

        self._people, self._meters = [], []
        for account in accounts:
            person, meter = f"person {account.name}", f"meter {account.name}"
            around = (journal, seeded(person), mails, lambda: installation.now)
            around = (*around, installation.stripe)
            self._people.append(Person(account, client(person), *around))
            bearer = client(meter, Authorization=f"Bearer {account.api_key}")
            self._meters.append(Meter(account, bearer, journal, seeded(meter)))
        self._staff = staff
        around = (client("aftermath", FORGED), journal, seeded("aftermath"))
        self._afterwards: list[Aftermath | StripeAftermath] = [Aftermath(installation, *around)]
        if stripe := installation.stripe:
            around = (client("stripe", FORGED), journal, seeded("stripe"))
            self._afterwards.append(StripeAftermath(stripe, *around))

    def move_in(self) -> None:
        with ThreadPoolExecutor(len(self._people)) as pool:
            list(pool.map(Person.move_in, self._people))

    def tell_the_rest(self) -> None:
        """What the processors have not been able to tell yet."""
        for one in self._afterwards:
            one.tell()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Everybody acts until the body ends, and then comes to the end of their last deed."""
        actors = [*self._people, *self._meters, self._staff, *self._afterwards]
        leaving = Event()
        with ThreadPoolExecutor(len(actors)) as pool:
            busy = [
                pool.submit(_act, actor, leaving, self._seeded(f"pace {number}"))
                for number, actor in enumerate(actors)
            ]
            try:
                yield
            except BaseException:
                self._over.set()  # nobody is answered any more
                raise
            finally:
                leaving.set()
                wait(busy, LAST_DEED)
                self._over.set()
        for fault in [one.exception() for one in busy]:
            if fault is not None:
                self._journal.fault("".join(traceback.format_exception(fault)))


def _act(
    actor: Person | Meter | Staff | Aftermath | StripeAftermath, leaving: Event, random: Random
) -> None:
    while not leaving.is_set():
        actor.act()
        leaving.wait(random.uniform(0, 2 * PACE[type(actor)]))
