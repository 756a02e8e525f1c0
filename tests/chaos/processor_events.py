"""Changes at the processor, delivered by webhook.

Refunds, disputes and their outcomes, reversals, and renewed or removed cards. Each event is
delivered up to ten times.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.chaos.client import Client
from tests.chaos.installation import Installation
from tests.chaos.journal import Journal
from webapp.ports import ReversalKind, ReversalState

LISTED = "SELECT processor_reference FROM payment_method WHERE removed_at IS NULL"

FORGED = 400
"""Status for a signature that is too old because the clock advanced; the event is signed again."""

CENT = 10_000
"""In micros."""


class ProcessorEvents:
    def __init__(
        self, installation: Installation, client: Client, journal: Journal, random: Random
    ) -> None:
        self._installation, self._client = installation, client
        self._journal, self._random = journal, random
        self._books = installation.books.reversals

    def act(self) -> None:
        actions: dict[Callable[[], None], int] = {
            self._refund: 5,
            self._dispute: 3,
            self._reverse: 1,
            self._close: 4,
            self._send_charge_event: 3,
            self._renew: 2,
            self._remove_method: 1,
        }
        self._random.choices(list(actions), list(actions.values()))[0]()
        self.deliver()

    def deliver(self) -> None:
        """Deliver the events that the product has not accepted yet, as a real processor does."""
        for number, delivery in self._books.undelivered(self._installation.now):
            path, times = f"/webhooks/{delivery.processor}", self._random.choice((1, 2, 10))
            self._journal.count_action(f"an event is delivered {times}×")
            with ThreadPoolExecutor(times) as pool:
                statuses = [
                    pool.submit(self._post, path, delivery.body, delivery.headers)
                    for _ in range(times)
                ]
            if not any(status.result() == 200 for status in statuses):
                return  # delivered out of order, some events would need an operator
            self._books.record_delivery(number, self._installation.now)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        return self._client.clone().post(path, data=body, headers=dict(headers)).status_code

    def _refund(self) -> None:
        if key := self._a_charge():
            left = self._books.left_of(key)
            amount = self._random.choice((left, CENT * self._random.randint(1, left // CENT)))
            self._journal.count_action("refund")
            self._books.refund(key, amount, self._installation.now)

    def _dispute(self) -> None:
        if key := self._a_charge():
            self._journal.count_action("dispute")
            self._books.dispute(key, self._installation.now)

    def _reverse(self) -> None:
        if key := self._a_charge():
            self._journal.count_action("reversal")
            self._books.reverse(key, self._installation.now)

    def _close(self) -> None:
        """Win or lose a dispute, or return a refund."""
        taken = [row for row in self._books.all() if row.state is ReversalState.TAKEN]
        if taken:
            row = self._random.choice(taken)
            ends = [ReversalState.RETURNED]
            ends += [ReversalState.LOST] if row.kind is ReversalKind.DISPUTE else []
            end = self._random.choice(ends)
            self._journal.count_action(f"{row.kind} {end}")
            self._books.close(row.reference, end, self._installation.now)

    def _send_charge_event(self) -> None:
        """Deliver a charge event, often before a killed process has recorded the response."""
        charges = self._installation.books.charges(5)
        if charges:
            self._journal.count_action("a charge event")
            key = self._random.choice(charges).key
            self._books.tell_of_charge(key, self._installation.now)

    def _renew(self) -> None:
        cards = [reference for reference in self._listed() if reference.startswith("card_")]
        if cards:
            self._journal.count_action("renew a card")
            self._books.renew(self._random.choice(cards), self._installation.now)

    def _remove_method(self) -> None:
        if listed := self._listed():
            self._journal.count_action("remove a method at the processor")
            self._books.take_away(self._random.choice(listed), self._installation.now)

    def _listed(self) -> list[str]:
        listed = [row[0] for row in self._installation.database.rows(LISTED)]
        return [reference for reference in listed if reference.startswith(("card_", "agr_"))]

    def _a_charge(self) -> str:
        """Return a recent charge that is not fully refunded, or an empty string."""
        paid = self._installation.books.paid_charges()[-10:]
        left = [key for key, *_ in paid if self._books.left_of(key) >= CENT]
        return self._random.choice(left) if left else ""
