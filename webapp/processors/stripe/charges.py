"""Charges: PaymentIntents that are created and confirmed in one call, once per key."""

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
from webapp.processors.stripe.mapping import ATTEMPT, FAILED_AT, PRESENT, StripeJson, id_of, instant

OTHER_REQUEST = RequestRejected("This idempotency key was used for another request")

REMEMBERED = 1_000
"""Number of keys for which this process caches the PaymentIntent's id."""

FRESH = 600
"""Seconds: Stripe's search finds payments a minute late, so newer ones are searched in the list."""

PAGE, PAGES = 100, 5


class Charges:
    """Methods raise `StripeError`, which `processor` converts into answers."""

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
            return RequestRejected("The amount must be whole minor units above zero, under a key")
        if not customer:
            return MethodGone(request.method_reference, self._clock.now())
        params: PaymentIntentCreateParams = {
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
            params["use_stripe_sdk"] = True  # Stripe's script shows the challenge on our page
        else:
            params["off_session"] = True
        try:
            made = self._client.v1.payment_intents.create(params, {"idempotency_key": request.key})
        except CardError as error:
            return self._declined(request.key, error)
        except IdempotencyError:
            return self._answer_if_same(request, params)
        except InvalidRequestError as error:
            return self._cards.why_refused(request.method_reference, error)
        intent = made.to_dict()
        self._remember(request.key, intent["id"])
        # A repeated request returns the original response, so the current state is fetched.
        if intent["status"] == "succeeded":
            return self.answer(intent)
        return self._now(intent["id"])

    def ask(self, key: str) -> Answer | NotKnown:
        intent_id = self._find(key)
        return self._now(intent_id) if intent_id else NotKnown()

    def cancel(self, key: str) -> Answer | NotKnown:
        intent_id = self._find(key)
        if not intent_id:
            return NotKnown()
        if self.fetch(intent_id)["status"] == "requires_action":
            # If the customer has just answered, the cancellation fails and the answer counts.
            with suppress(InvalidRequestError):
                self._client.v1.payment_intents.cancel(
                    intent_id, {"cancellation_reason": "abandoned"}
                )
        return self._now(intent_id)

    def fetch(self, intent_id: str) -> dict[str, Any]:
        """The PaymentIntent's current state with its last charge. Raises `StripeError`."""
        found = self._client.v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
        return found.to_dict()

    def answer(self, intent: StripeJson, reported_at: float | None = None) -> Answer:
        """The answer to a PaymentIntent.

        `reported_at`: Unix time of the event that reported a failure without a time at Stripe.
        """
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
                at = created if charge else self._failed_at(intent, reported_at)
                outcome = charge.get("outcome") or {}
                return mapping.declined(error, outcome, instant(at), intent["id"])
            case "canceled":
                return Cancelled(instant(float(intent.get("canceled_at") or created)))
        return Unknown(f"The payment is {intent['status']}")

    def _now(self, intent_id: str) -> Answer:
        try:
            return self.answer(self.fetch(intent_id))
        except StripeError as error:
            # The payment exists, so a rejected query leaves its outcome unknown.
            return Unknown(fault(error).reason)

    def _declined(self, key: str, error: CardError) -> Answer:
        details = error.error.to_dict() if error.error else {}
        intent = details.get("payment_intent") or {}
        if not intent:
            return mapping.declined(details, {}, self._clock.now(), "")
        self._remember(key, intent["id"])
        try:
            return self.answer(self.fetch(intent["id"]))
        except StripeError:
            return self.answer({**intent, "last_payment_error": details})

    def _answer_if_same(self, request: ChargeRequest, params: PaymentIntentCreateParams) -> Answer:
        """Answer a request whose key Stripe knows with other parameters.

        If all essential parameters are equal, it is the same request, sent before an update of
        Ballast that changed others.
        """
        try:
            intent_id = self._find(request.key)
            if not intent_id:
                return Unknown("The key was used, but its payment was not found yet")
            intent = self.fetch(intent_id)
        except StripeError as error:
            return Unknown(fault(error).reason)
        known = (
            int(intent["amount"]),
            intent["currency"],
            id_of(intent.get("customer")),
            id_of(intent.get("payment_method")) or params.get("payment_method"),
            _was_present(intent),
        )
        asked = (
            params["amount"],
            params["currency"],
            params.get("customer"),
            params.get("payment_method"),
            request.customer_present,
        )
        return self.answer(intent) if known == asked else OTHER_REQUEST

    def _find(self, key: str) -> str:
        """The id of the key's PaymentIntent, or an empty string. Raises `StripeError`."""
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

    def _failed_at(self, intent: StripeJson, reported_at: float | None) -> float:
        """The time of a failed challenge, which Stripe does not store: the time when the failure
        was first seen, saved in the metadata.
        """
        known = (intent.get("metadata") or {}).get(FAILED_AT)
        if known:
            return float(known)
        at = reported_at or self._clock.now().timestamp()
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


def _paid(intent: StripeJson, at: Any) -> Paid:
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


def _was_present(intent: StripeJson) -> bool:
    return (intent.get("metadata") or {}).get(PRESENT) == "present"
