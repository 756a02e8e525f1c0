"""Webhook events of Stripe: verify them and fetch the current state of their subject."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from stripe import SignatureVerificationError, StripeClient, StripeError, WebhookSignature
from stripe.params import EventListParams

from webapp.clock import Clock
from webapp.ports import (
    Event,
    Forged,
    Happening,
    Listed,
    MethodGone,
    MethodUpdated,
    NeedsOperator,
    RequestRejected,
    ReversalKind,
    ReversalState,
    Reversed,
    Settled,
    Unknown,
)
from webapp.processors.stripe import mapping
from webapp.processors.stripe.cards import Cards
from webapp.processors.stripe.charges import Charges
from webapp.processors.stripe.client import is_missing
from webapp.processors.stripe.mapping import ATTEMPT, StripeJson, id_of, instant

SIGNATURE = "stripe-signature"

TOLERANCE = timedelta(minutes=5)

PAYMENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)
REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
DISPUTES = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
METHODS = (
    "payment_method.automatically_updated",
    "payment_method.updated",
    "payment_method.detached",
)
FOLLOWED = (*PAYMENTS, *REFUNDS, *DISPUTES, *METHODS, "charge.refunded")
"""Event types to which the endpoint at Stripe must be subscribed. Listing allows up to 20 types."""

KEEPS = timedelta(days=30)
"""How long Stripe lists events."""

OTHER_KEY = RequestRejected("STRIPE_SECRET_KEY belongs to another Stripe account than this event")

PAGE, PAGES = 100, 10
"""Events per page, and maximum pages per span of time."""


class Events:
    def __init__(
        self, client: StripeClient, clock: Clock, secret: str, charges: Charges, cards: Cards
    ) -> None:
        self._client = client
        self._clock = clock
        self._secret = secret
        self._charges = charges
        self._cards = cards

    def open(self, body: bytes, headers: Mapping[str, str]) -> Event | Forged:
        given = {name.lower(): value for name, value in headers.items()}.get(SIGNATURE, "")
        try:
            WebhookSignature.verify_header(body.decode(), given, self._secret)
            stamp = next(part[2:] for part in given.split(",") if part.startswith("t="))
            signed_at = instant(int(stamp))
        except (SignatureVerificationError, ValueError, StopIteration) as error:
            return Forged(f"The signature is not Stripe's: {type(error).__name__}")
        if abs(self._clock.now() - signed_at) > TOLERANCE:
            return Forged("It was signed too long ago")
        try:
            return _event(json.loads(body))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return Forged(f"The message is not an event: {type(error).__name__}")

    def list_events(self, since: datetime, until: datetime) -> Listed:
        """List events, oldest first; Stripe returns the newest first."""
        asked: EventListParams = {
            "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
            "types": list(FOLLOWED),
            "limit": PAGE,
        }
        found: list[Event] = []
        for _ in range(PAGES):
            page = self._client.v1.events.list(asked).to_dict()
            found += [_event(obj) for obj in page["data"]]
            if not page["has_more"]:
                return Listed(found[::-1])
            asked["starting_after"] = found[-1].id
        return Listed((), is_whole=False)

    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        kind, name, created = event.about.split(" ")
        try:
            if kind in PAYMENTS:
                return self._payment(name, float(created))
            if kind in REFUNDS:
                return self._taken_back(self._client.v1.refunds.retrieve(name).to_dict(), _refund)
            if kind == "charge.refunded":
                listed = self._client.v1.refunds.list({"charge": name, "limit": 100}).to_dict()
                if not listed["data"]:
                    return self._missing(event)
                return [
                    happening
                    for refund in listed["data"]
                    for happening in self._taken_back(refund, _refund)
                ]
            if kind in DISPUTES:
                dispute = self._client.v1.disputes.retrieve(name).to_dict()
                return self._taken_back(dispute, _dispute)
            if kind in METHODS:
                return self._method(name)
        except StripeError as error:
            if is_missing(error):
                return self._missing(event)
            raise
        return ()

    def _missing(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        """Handle a missing subject. If the event is missing, too, our key belongs to another Stripe
        account: the event is not processed, and Stripe delivers it again.
        """
        try:
            self._client.v1.events.retrieve(event.id)
        except StripeError as error:
            if is_missing(error):
                return OTHER_KEY
            raise
        return ()

    def _payment(self, intent_id: str, reported_at: float) -> Sequence[Happening]:
        intent = self._charges.fetch(intent_id)
        key = (intent.get("metadata") or {}).get(ATTEMPT)
        if key:
            answer = self._charges.answer(intent, reported_at)
            return () if isinstance(answer, Unknown) else (Settled(key, answer),)
        if intent["status"] != "succeeded":
            return ()
        currency = str(intent["currency"]).upper()
        amount = mapping.micros(int(intent["amount_received"]), currency)
        what = "The payment was made at Stripe and matches no attempt in Ballast."
        return (NeedsOperator(intent_id, amount, currency, instant(intent["created"]), what),)

    def _taken_back(
        self, obj: StripeJson, read: Callable[[StripeJson, str], Reversed | None]
    ) -> Sequence[Happening]:
        """The payment's outcome, then the refund or dispute: only a paid charge can have one."""
        intent_id = id_of(obj.get("payment_intent"))
        if not intent_id:
            return ()
        intent = self._charges.fetch(intent_id)
        key = (intent.get("metadata") or {}).get(ATTEMPT)
        found = read(obj, key) if key else None
        if not key or found is None:
            return ()  # a payment that is not ours is reported by its own event
        return (Settled(key, self._charges.answer(intent)), found)

    def _method(self, reference: str) -> Sequence[Happening]:
        if not all(mapping.parts_of(reference)):
            return ()
        saved = self._cards.look_up(reference)
        if saved is None:
            return (MethodGone(reference, self._clock.now()),)
        return (MethodUpdated(saved),)


def _event(obj: StripeJson) -> Event:
    """Parse an event. Raises on malformed objects."""
    about = f"{obj['type']} {_named(obj, obj['data']['object'])} {obj['created']}"
    return Event(str(obj["id"]), about)


def _named(obj: StripeJson, subject: StripeJson) -> str:
    """The id to fetch; for a method, a reference with its current or previous customer."""
    if obj["type"] in METHODS:
        before = obj["data"].get("previous_attributes") or {}
        customer = id_of(subject.get("customer") or before.get("customer"))
        return mapping.reference_of(customer, str(subject["id"]))
    return str(subject.get("id") or "none")


def _refund(obj: StripeJson, key: str) -> Reversed:
    failed = obj.get("status") in ("failed", "canceled")
    state = ReversalState.RETURNED if failed else ReversalState.TAKEN
    return _reversed(obj, key, ReversalKind.REFUND, state)


def _dispute(obj: StripeJson, key: str) -> Reversed | None:
    """None for an inquiry, which takes no money."""
    status = str(obj.get("status"))
    if status.startswith("warning") or status == "prevented":
        return None
    ends = {"won": ReversalState.RETURNED, "lost": ReversalState.LOST}
    state = ends.get(status, ReversalState.TAKEN)
    return _reversed(obj, key, ReversalKind.DISPUTE, state)


def _reversed(obj: StripeJson, key: str, kind: ReversalKind, state: ReversalState) -> Reversed:
    currency = str(obj["currency"]).upper()
    return Reversed(
        reference=str(obj["id"]),
        key=key,
        kind=kind,
        state=state,
        amount=mapping.micros(int(obj["amount"]), currency),
        currency=currency,
        at=instant(obj["created"]),
    )
