"""Charges: PaymentIntents that are confirmed as they are made, once per key of ours."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from stripe import CardError, IdempotencyError, InvalidRequestError, StripeClient, StripeError
from stripe.params import PaymentIntentCreateParams

from webapp.clock import Clock
from webapp.ports import (
    Answer,
    Cancelled,
    ChargeRequest,
    MethodGone,
    NeedsCustomer,
    NotKnown,
    Paid,
    RequestRejected,
    Unknown,
)
from webapp.processors.stripe import mapping
from webapp.processors.stripe.cards import Cards
from webapp.processors.stripe.client import fault
from webapp.processors.stripe.mapping import ATTEMPT, FAILED_AT, PRESENT, Told, id_of, instant

OTHER_REQUEST = RequestRejected("This idempotency key was used for another request")

REMEMBERED = 1_000
"""Keys whose PaymentIntent this process has seen."""

FRESH = 600
"""Seconds: a search finds a payment a minute late, so younger ones are looked for in the list."""

PAGE, PAGES = 100, 5


class Charges:
    def __init__(self, client: StripeClient, clock: Clock, cards: Cards) -> None:
        self._client = client
        self._clock = clock
        self._cards = cards
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def charge(self, request: ChargeRequest) -> Answer:
        customer, method = mapping.parts_of(request.method_reference)
        unit = mapping.smallest_unit(request.currency)
        if not request.key or request.amount <= 0 or request.amount % unit:
            return RequestRejected("The amount must be whole cents above zero, under a key")
        if not customer:
            return MethodGone(request.method_reference, self._clock.now())
        wished: PaymentIntentCreateParams = {
            "amount": request.amount // unit,
            "currency": request.currency.lower(),
            "customer": customer,
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            "metadata": {
                ATTEMPT: request.key,
                PRESENT: "present" if request.customer_present else "absent",
            },
            "expand": ["latest_charge"],
        }
        if request.customer_present:
            wished["use_stripe_sdk"] = True  # the bank asks by Stripe's script on our page
        else:
            wished["off_session"] = True
        try:
            made = self._client.v1.payment_intents.create(wished, {"idempotency_key": request.key})
        except CardError as error:
            return self._declined(request.key, error)
        except IdempotencyError:
            return self._as_it_was(request, wished)
        except InvalidRequestError as error:
            return self._cards.why_refused(request.method_reference, error)
        except StripeError as error:
            return fault(error)
        intent = made.to_dict()
        self._remember(request.key, intent["id"])
        # A repeated request is answered as it was then; how it stands now is another question.
        if intent["status"] == "succeeded":
            return self.answer(intent)
        return self._now(intent["id"])

    def ask(self, key: str) -> Answer | NotKnown:
        try:
            intent_id = self._find(key)
        except StripeError as error:
            return fault(error)
        return self._now(intent_id) if intent_id else NotKnown()

    def cancel(self, key: str) -> Answer | NotKnown:
        try:
            intent_id = self._find(key)
            if not intent_id:
                return NotKnown()
            if self.fetch(intent_id)["status"] == "requires_action":
                # Where the customer was first it cannot be cancelled any more: that stands.
                with suppress(InvalidRequestError):
                    self._client.v1.payment_intents.cancel(
                        intent_id, {"cancellation_reason": "abandoned"}
                    )
        except StripeError as error:
            return fault(error)
        return self._now(intent_id)

    def fetch(self, intent_id: str) -> dict[str, Any]:
        """As it stands now, with its last charge. Raises `StripeError`."""
        found = self._client.v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
        return found.to_dict()

    def answer(self, intent: Told, told_at: float | None = None) -> Answer:
        """`told_at`: when an event told of a failure for which Stripe keeps no time of its own."""
        charge = intent.get("latest_charge")
        charge = charge if isinstance(charge, Mapping) else {}
        error = intent.get("last_payment_error") or {}
        created = float(charge.get("created") or intent["created"])
        match intent["status"]:
            case "succeeded":
                return _paid(intent, instant(created))
            case "requires_action" | "requires_confirmation":
                return NeedsCustomer(
                    intent["id"], instant(intent["created"]), str(intent.get("client_secret") or "")
                )
            case "requires_payment_method" | "canceled" if error:
                if mapping.wants_customer(error) and not _was_present(intent):
                    return NeedsCustomer(intent["id"], instant(created))
                at = created if charge else self._failed_at(intent, told_at)
                outcome = charge.get("outcome") or {}
                return mapping.declined(error, outcome, instant(at), intent["id"])
            case "canceled":
                return Cancelled(instant(float(intent.get("canceled_at") or created)))
        return Unknown(f"The payment is {intent['status']}")

    def _now(self, intent_id: str) -> Answer:
        try:
            return self.answer(self.fetch(intent_id))
        except StripeError as error:
            # Once it is there, not being told about it says nothing about it.
            return Unknown(fault(error).reason)

    def _declined(self, key: str, error: CardError) -> Answer:
        told = error.error.to_dict() if error.error else {}
        intent = told.get("payment_intent") or {}
        if not intent:
            return mapping.declined(told, {}, self._clock.now(), "")
        self._remember(key, intent["id"])
        try:
            return self.answer(self.fetch(intent["id"]))
        except StripeError:
            return self.answer({**intent, "last_payment_error": told})

    def _as_it_was(self, request: ChargeRequest, wished: PaymentIntentCreateParams) -> Answer:
        """The key is known with other parameters: no other request if all that matters is equal.

        As after an update of ours that sends one more of them.
        """
        try:
            intent_id = self._find(request.key)
            if not intent_id:
                return Unknown("The key was used, and its payment is not found yet")
            intent = self.fetch(intent_id)
        except StripeError as error:
            return Unknown(fault(error).reason)
        known = (
            int(intent["amount"]),
            intent["currency"],
            id_of(intent.get("customer")),
            id_of(intent.get("payment_method")) or wished.get("payment_method"),
            _was_present(intent),
        )
        asked = (
            wished["amount"],
            wished["currency"],
            wished.get("customer"),
            wished.get("payment_method"),
            request.customer_present,
        )
        return self.answer(intent) if known == asked else OTHER_REQUEST

    def _find(self, key: str) -> str:
        """Its PaymentIntent's id, or empty. Raises `StripeError`."""
        with self._lock:
            if seen := self._seen.get(key):
                return seen
        found = self._client.v1.payment_intents.search(
            {"query": f"metadata['{ATTEMPT}']:'{key}'", "limit": 1}
        ).to_dict()["data"]
        intent_id = str(found[0]["id"]) if found else self._find_fresh(key)
        if intent_id:
            self._remember(key, intent_id)
        return intent_id

    def _find_fresh(self, key: str) -> str:
        since, after = int(self._clock.now().timestamp()) - FRESH, ""
        for _ in range(PAGES):
            listed = self._client.v1.payment_intents.list(
                {"created": {"gte": since}, "limit": PAGE, "starting_after": after}
                if after
                else {"created": {"gte": since}, "limit": PAGE}
            ).to_dict()
            for intent in listed["data"]:
                if (intent.get("metadata") or {}).get(ATTEMPT) == key:
                    return str(intent["id"])
            if not listed.get("has_more"):
                break
            after = listed["data"][-1]["id"]
        return ""

    def _failed_at(self, intent: Told, told_at: float | None) -> float:
        """Stripe keeps no time for a challenge that failed: the first look at it counts, and is
        written down there.
        """
        known = (intent.get("metadata") or {}).get(FAILED_AT)
        if known:
            return float(known)
        at = told_at or self._clock.now().timestamp()
        with suppress(StripeError):
            self._client.v1.payment_intents.update(
                intent["id"], {"metadata": {FAILED_AT: f"{at:.6f}"}}
            )
        return at

    def _remember(self, key: str, intent_id: str) -> None:
        with self._lock:
            self._seen[key] = intent_id
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)


def _paid(intent: Told, at: Any) -> Paid:
    currency = str(intent["currency"]).upper()
    return Paid(
        reference=intent["id"],
        amount=mapping.micros(int(intent["amount_received"]), currency),
        currency=currency,
        at=at,
        method_reference=mapping.reference_of(
            id_of(intent.get("customer")), id_of(intent.get("payment_method"))
        ),
    )


def _was_present(intent: Told) -> bool:
    return (intent.get("metadata") or {}).get(PRESENT) == "present"
