"""Runs with Stripe's adapter: its stand-in, which is never killed, keeps the cards' data.

Customers, banks and the dashboard act here; PayPal and the clock remain the sandbox's.
"""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Any

from tests.chaos.client import Client
from tests.chaos.journal import Journal
from tests.chaos.snapshot import Charge, ReversalAtProcessor
from tests.processors.stripe_stand_in import (
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Refused,
    StandIn,
)

CENT = 10_000
"""In micros."""

FAULTS = ("lose answer", "lose answer", "lose request", "429", "500")
"""Faults of a charge, named as in the stand-in."""

DECLINES = ("insufficient_funds", "generic_decline", "stolen_card")

REFUNDS = {"succeeded": "taken", "failed": "returned"}
DISPUTES = {"needs_response": "taken", "lost": "lost", "won": "returned"}


class StripeBooks:
    """The stand-in's data, for the comparison."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.stand_in = StandIn(now)
        self.undelivered: list[dict[str, Any]] = []
        self.delivered: list[str] = []
        """Ids of events that were answered 200."""

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CARD_PROCESSOR": "stripe",
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": self.stand_in.base,
            "STRIPE_JS_URL": f"{self.stand_in.base}/stripe.js",
        }

    def capture(self, form: str, number: str) -> str:
        """Enter the card in Stripe's form and return the token of its script (M7)."""
        found = re.search(r'data-secret="([^"]+)"', form)
        return str(self.stand_in.confirm_setup(found[1], number)["id"]) if found else ""

    @property
    def events(self) -> list[tuple[str, str | None]]:
        """Event ids, each with None if it was not accepted."""
        events: list[tuple[str, str | None]] = [(name, "once") for name in self.delivered]
        return events + [(event["id"], None) for event in self.undelivered]

    @property
    def listed(self) -> set[str]:
        """Ids of events that the product can list, possibly before a webhook delivers them."""
        return {event["id"] for event in self.stand_in.log}

    def all(self, kind: str) -> list[dict[str, Any]]:
        with self.stand_in.lock:
            objects = [dict(item) for item in self.stand_in.objects.values()]
        return [item for item in objects if item["object"] == kind]

    @property
    def charges(self) -> list[Charge]:
        return [Charge(key, cents * CENT, code) for key, cents, code in self.stand_in.taken()]

    @property
    def taken_back(self) -> list[ReversalAtProcessor]:
        kinds = {"refund": REFUNDS, "dispute": DISPUTES}
        return [
            ReversalAtProcessor(
                one["id"], self.key_of(one), one["amount"] * CENT, states[one["status"]]
            )
            for kind, states in kinds.items()
            for one in self.all(kind)
        ]

    @property
    def methods(self) -> dict[str, bool]:
        """Whether each method can be charged, by the product's reference."""
        customers = {one["id"]: one["customer"] for one in self.all("payment_method")}
        saved = [one for one in self.all("setup_intent") if one["status"] == "succeeded"]
        return {
            f"{one['customer']}/{one['payment_method']}": customers[one["payment_method"]]
            is not None
            for one in saved
        }

    def key_of(self, one: dict[str, Any]) -> str:
        """Return the key of the charge that a refund or dispute takes back."""
        return next(iter(self.stand_in.objects[one["payment_intent"]]["metadata"].values()))

    def left_of(self, key: str) -> int:
        """Return the amount of a charge that is not taken back, in micros."""
        [charge] = [charge for charge in self.charges if charge.key == key]
        gone = [one for one in self.taken_back if one.key == key and one.state != "returned"]
        return charge.amount - sum(one.amount for one in gone)


class StripeEvents:
    """Actions of Stripe's customers, banks and dashboard, each reported by webhook."""

    def __init__(
        self, books: StripeBooks, client: Client, journal: Journal, random: Random
    ) -> None:
        self._books, self._stand_in = books, books.stand_in
        self._client, self._journal, self._random = client, journal, random

    def act(self) -> None:
        actions: dict[Callable[[], None], int] = {
            self._queue_a_fault: 6,
            self._toggle_card: 3,
            self._answer_banks: 6,
            self._refund: 4,
            self._dispute: 2,
            self._close: 3,
            self._renew: 2,
            self._remove_method: 1,
        }
        self._random.choices(list(actions), list(actions.values()))[0]()
        self.deliver()

    def deliver(self) -> None:
        """Deliver each event, with a new signature, until it is accepted."""
        with self._stand_in.lock:
            events, self._stand_in.events = self._stand_in.events, []
        self._books.undelivered += events
        for event in self._books.undelivered.copy():
            times = self._random.choice((1, 2, 10))
            self._journal.count_action(f"an event of Stripe is delivered {times}×")
            with ThreadPoolExecutor(times) as pool:
                statuses = [pool.submit(self._post, event) for _ in range(times)]
            if any(status.result() == 200 for status in statuses):
                self._books.undelivered.remove(event)
                self._books.delivered.append(event["id"])

    def _post(self, event: dict[str, Any]) -> int:
        body, headers = self._stand_in.signed(json.dumps(event))
        answer = self._client.clone().post("/webhooks/stripe", data=body, headers=headers)
        return answer.status_code

    def _queue_a_fault(self) -> None:
        if len(self._stand_in.failures) < 3:
            self._stand_in.failures.append(self._random.choice(FAULTS))

    def _toggle_card(self) -> None:
        """Make a card decline from now on, or pay again."""
        if reference := self._a_method():
            card = self._stand_in.cards[reference.partition("/")[2]]
            card.error = {} if card.error else {"decline_code": self._random.choice(DECLINES)}

    def _answer_banks(self) -> None:
        """Confirm or fail challenges in Stripe's window; some stay open."""
        for one in self._books.all("payment_intent"):
            if one["status"] == "requires_action" and self._random.random() < 0.7:
                end = self._random.choice(("complete", "complete", "fail"))
                self._journal.count_action(f"a challenge at Stripe: {end}")
                getattr(self._stand_in, end)(one["client_secret"])

    def _refund(self) -> None:
        if key := self._a_charge():
            left = self._books.left_of(key) // CENT
            self._journal.count_action("refund at Stripe")
            self._stand_in.refund(key, self._random.choice((left, self._random.randint(1, left))))

    def _dispute(self) -> None:
        key = self._a_charge()
        if key and not any(one.key == key for one in self._books.taken_back):
            self._journal.count_action("dispute at Stripe")
            self._stand_in.dispute(key)

    def _close(self) -> None:
        if is_open := [o for o in self._books.all("dispute") if o["status"] == "needs_response"]:
            end = self._random.choice(("won", "lost"))
            self._journal.count_action(f"dispute at Stripe {end}")
            self._stand_in.end_dispute(self._random.choice(is_open)["id"], end)

    def _renew(self) -> None:
        if reference := self._a_method():
            self._journal.count_action("renew a card at Stripe")
            self._stand_in.renew(reference.partition("/")[2])

    def _remove_method(self) -> None:
        if reference := self._a_method():
            self._journal.count_action("detach a card at Stripe")
            with suppress(Refused):  # the product has already detached it
                self._stand_in.detach(reference.partition("/")[2])

    def _a_charge(self) -> str:
        """Return a recent charge that is not fully refunded, or an empty string."""
        left = [one.key for one in self._books.charges[-10:] if self._books.left_of(one.key)]
        return self._random.choice(left) if left else ""

    def _a_method(self) -> str:
        charged = [
            reference for reference, is_chargeable in self._books.methods.items() if is_chargeable
        ]
        return self._random.choice(charged) if charged else ""
