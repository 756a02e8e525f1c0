"""Later changes at the sandbox processor: refunds, disputes, renewed and removed cards.

Each creates an event that is delivered as a real processor does.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.ports import Event, Forged, ReversalKind, ReversalState
from webapp.processors.sandbox.charges import Charge, ChargeBook
from webapp.processors.sandbox.methods import end
from webapp.processors.sandbox.records import (
    Agreement,
    Booking,
    Card,
    Reversal,
    Status,
    WebhookEvent,
)
from webapp.processors.sandbox.store import Store

SIGNATURE = "Sandbox-Signature"

TOLERANCE = timedelta(minutes=5)

CARDS, PAYPAL = "sandbox", "sandbox_paypal"
"""Names of the two sandbox processors in URLs and attempts."""

RENEWED_FOR = 3
"""Years by which a renewed card's expiry moves."""


@dataclass(frozen=True)
class Delivery:
    """A request to the product's webhook."""

    processor: str
    body: bytes
    headers: Mapping[str, str]


class Reversals:
    def __init__(self, store: Store, charges: ChargeBook) -> None:
        self._store = store
        self._charges = charges

    # Changes, each of which creates one event

    def refund(self, key: str, amount: int, now: datetime) -> str:
        """Refund a paid charge. Raises `ValueError` if `amount` exceeds what is left of it."""
        return self._reverse(ReversalKind.REFUND, key, amount, now)

    def dispute(self, key: str, now: datetime) -> str:
        """Dispute the remaining amount of a charge. Raises `ValueError` if it is zero."""
        return self._reverse(ReversalKind.DISPUTE, key, self.left_of(key), now)

    def reverse(self, key: str, now: datetime) -> str:
        """Reverse the remaining amount of a charge. Raises `ValueError` if it is zero."""
        return self._reverse(ReversalKind.REVERSAL, key, self.left_of(key), now)

    def close(self, reference: str, state: ReversalState, now: datetime) -> None:
        """Close a dispute as lost or returned; a second call changes nothing."""
        with self._store.writing() as session:
            reversal = session.get_one(Reversal, reference)
            if reversal.state is ReversalState.TAKEN:
                reversal.state = state
                _add_event(session, reversal.key, f"taken_back {reference}", now)

    def renew(self, reference: str, now: datetime) -> None:
        """Renew a card: the network reports a new expiry."""
        later = func.max(Card.exp_year, now.year) + RENEWED_FOR
        with self._store.writing() as session:
            session.execute(update(Card).where(Card.id == reference).values(exp_year=later))
            session.add(_event(CARDS, f"method {reference}", now))

    def take_away(self, reference: str, now: datetime) -> None:
        """Remove a card, or cancel an agreement as the payer."""
        is_card = reference.startswith("card_")
        with self._store.writing() as session:
            end(session, Card.revoked_at if is_card else Agreement.cancelled_at, reference, now)
            session.add(_event(CARDS if is_card else PAYPAL, f"method {reference}", now))

    def tell_of_charge(self, key: str, now: datetime) -> None:
        """Create an event about a charge's outcome."""
        with self._store.writing() as session:
            _add_event(session, key, f"charge {key}", now)

    def tell(self, processor: str, about: str, now: datetime) -> None:
        with self._store.writing() as session:
            session.add(_event(processor, about, now))

    # Queries

    def find(self, reference: str) -> Reversal | None:
        with self._store.reading() as session:
            return session.get(Reversal, reference)

    def of_charges(self, keys: Sequence[str]) -> Sequence[Reversal]:
        """Reversals of these charges, oldest first."""
        with self._store.reading() as session:
            return session.scalars(_OLDEST_FIRST.where(Reversal.key.in_(keys))).all()

    def all(self) -> Sequence[Reversal]:
        """All refunds, disputes and reversals, oldest first."""
        with self._store.reading() as session:
            return session.scalars(_OLDEST_FIRST).all()

    def left_of(self, key: str) -> int:
        """Micros of a paid charge that were not taken back."""
        charge = self._charges.find(key)
        return 0 if charge is None else left(charge, self.of_charges([key]))

    # Deliveries

    def undelivered(self, now: datetime) -> list[tuple[int, Delivery]]:
        """Undelivered events with their numbers, oldest first, signed now."""
        pending = select(WebhookEvent).where(WebhookEvent.delivered_at.is_(None))
        with self._store.reading() as session:
            found = session.scalars(pending.order_by(WebhookEvent.id)).all()
        return [(event.id, self._signed(event, now)) for event in found]

    def record_delivery(self, number: int, now: datetime) -> None:
        with self._store.writing() as session:
            session.get_one(WebhookEvent, number).delivered_at = now

    def open(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Event | Forged:
        lower = {name.lower(): value for name, value in headers.items()}
        given = dict(
            part.split("=", 1)
            for part in lower.get(SIGNATURE.lower(), "").split(",")
            if "=" in part
        )
        stamp = given.get("t", "")
        # Compared as bytes, because `compare_digest` rejects non-ASCII text, which anyone can send.
        signed = self._signature(stamp, body).encode()
        if not hmac.compare_digest(given.get("v1", "").encode(), signed):
            return Forged("The signature is invalid")
        if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > TOLERANCE:
            return Forged("It was signed too long ago")
        message = json.loads(body)
        return Event(message["id"], message["about"])

    def _signed(self, event: WebhookEvent, now: datetime) -> Delivery:
        body = json.dumps({"id": event.name, "about": event.about}).encode()
        stamp = str(int(now.timestamp()))
        signature = f"t={stamp},v1={self._signature(stamp, body)}"
        return Delivery(event.processor, body, {SIGNATURE: signature})

    def _signature(self, stamp: str, body: bytes) -> str:
        secret = self._store.setting("webhook_secret")
        return hmac.new(secret.encode(), stamp.encode() + b"." + body, sha256).hexdigest()

    def _reverse(self, kind: ReversalKind, key: str, amount: int, now: datetime) -> str:
        reference = f"{kind[:2]}_{token_hex(12)}"
        with self._store.writing() as session:
            # No other writer can change what is left before this transaction ends.
            if not 0 < amount <= self.left_of(key):
                raise ValueError(f"{amount} is not left of {key}")
            reversal = Reversal(reference=reference, kind=kind, key=key, amount=amount, at=now)
            session.add(reversal)
            _add_event(session, key, f"taken_back {reference}", now)
        return reference


_OLDEST_FIRST = select(Reversal).order_by(Reversal.at, Reversal.reference)


def left(charge: Charge, reversals: Sequence[Reversal]) -> int:
    """Micros of a paid charge that those of its reversals have not taken, or have returned."""
    if charge.status is not Status.PAID:
        return 0
    own = [one for one in reversals if one.key == charge.key]
    return charge.amount - sum(one.amount for one in own if one.state is not ReversalState.RETURNED)


def _add_event(session: Session, key: str, about: str, now: datetime) -> None:
    """Add an event of the processor that made the charge."""
    method = session.scalar(select(Booking.method_reference).where(Booking.key == key)) or ""
    session.add(_event(PAYPAL if method.startswith("agr_") else CARDS, about, now))


def _event(processor: str, about: str, now: datetime) -> WebhookEvent:
    name = f"evt_{token_hex(12)}"
    return WebhookEvent(name=name, processor=processor, about=about, created_at=now)
