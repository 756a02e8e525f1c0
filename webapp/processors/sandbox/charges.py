"""Charges and verifications in the sandbox's books, once per idempotency key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.dialects.sqlite import insert

from webapp.domain.payment_methods.declines import declined
from webapp.ports import (
    Answer,
    Cancelled,
    ChargeRequest,
    NeedsCustomer,
    Paid,
    RequestRejected,
)
from webapp.processors.sandbox.challenges import begin
from webapp.processors.sandbox.records import (
    Agreement,
    Booking,
    Card,
    Challenge,
    ChallengeKind,
    ChallengeState,
    Status,
    Verification,
    challenge_url,
)
from webapp.processors.sandbox.store import Store

OTHER_REQUEST = RequestRejected("This idempotency key was used for another request")


@dataclass(frozen=True)
class Outcome:
    """The bank's answer, before it is booked."""

    status: Status
    decline_code: str = ""
    confirmed_code: str = ""
    """Decline code after the customer has confirmed; empty if the charge is then paid."""


@dataclass(frozen=True)
class Charge:
    """A booked charge. `amount` is in micros.

    `brand` and `last4` are set for cards, `payer_email` for agreements.
    """

    key: str
    request: str
    reference: str
    method_reference: str
    brand: str
    last4: str
    payer_email: str
    amount: int
    currency: str
    customer_present: bool
    status: Status
    decline_code: str
    at: datetime
    """Time of the final answer: the bank's first one or the end of the challenge (F8)."""
    challenge_id: str
    """Empty without a challenge."""

    def answer(self) -> Answer:
        if self.status is Status.PAID:
            return Paid(self.reference, self.amount, self.currency, self.at, self.method_reference)
        if self.status is Status.NEEDS_CUSTOMER:
            asked = self.challenge_id
            url = challenge_url(ChallengeKind.CHARGE, asked) if asked else ""
            return NeedsCustomer(self.reference, self.at, url)
        if self.status is Status.CANCELLED:
            return Cancelled(self.at)
        return declined(self.decline_code, self.at, self.reference)

    def answer_to(self, request: ChargeRequest) -> Answer:
        """The recorded answer, if the request is the one booked under the key."""
        return self.answer() if self.request == request_digest(request) else OTHER_REQUEST


_PAID, _DECLINED, _CANCELLED = (
    literal(status, Booking.status.type)
    for status in (Status.PAID, Status.DECLINED, Status.CANCELLED)
)
_STATUS: ColumnElement[Status] = case(
    (
        Challenge.state == ChallengeState.COMPLETED,
        case((Challenge.decline_code == "", _PAID), else_=_DECLINED),
    ),
    (Challenge.state == ChallengeState.FAILED, _DECLINED),
    (Challenge.state == ChallengeState.CANCELLED, _CANCELLED),
    else_=Booking.status,
)
_DECLINE_CODE = case(
    (Challenge.state == ChallengeState.COMPLETED, Challenge.decline_code),
    (Challenge.state == ChallengeState.CANCELLED, ""),
    else_=Booking.decline_code,
)
Charges = Select[*tuple[Any, ...]]
# The columns are the fields of `Charge`, in their order.
_CHARGES: Charges = (
    select(
        Booking.key,
        Booking.request,
        Booking.reference,
        Booking.method_reference.label("method_reference"),
        func.coalesce(Card.brand, "").label("brand"),
        func.coalesce(Card.last4, "").label("last4"),
        func.coalesce(Agreement.payer_email, "").label("payer_email"),
        Booking.amount,
        Booking.currency,
        Booking.customer_present,
        _STATUS.label("status"),
        _DECLINE_CODE.label("decline_code"),
        func.coalesce(Challenge.ended_at, Booking.created_at).label("at"),
        func.coalesce(Challenge.reference, "").label("challenge_id"),
    )
    .outerjoin(Card, Card.id == Booking.method_reference)
    .outerjoin(Agreement, Agreement.id == Booking.method_reference)
    .outerjoin(
        Challenge,
        and_(Challenge.kind == ChallengeKind.CHARGE, Challenge.subject == Booking.key),
    )
)
_CHARGE: Charges = _CHARGES.where(Booking.key == bindparam("key"))
_BOOK = insert(Booking).on_conflict_do_nothing(index_elements=[Booking.key])


class ChargeBook:
    """The booked charges. Statements are built once, because every charge runs them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> Charge | None:
        with self._store.connect() as connection:
            row = connection.execute(_CHARGE, {"key": key}).first()
        return None if row is None else Charge(*row)

    def last(self, count: int) -> list[Charge]:
        """The newest first."""
        return self._newest(_CHARGES, count)

    def last_of(
        self, count: int, keys: Sequence[str], method_references: Sequence[str]
    ) -> list[Charge]:
        """The newest charges with these keys or methods."""
        wanted = or_(Booking.key.in_(keys), Booking.method_reference.in_(method_references))
        return self._newest(_CHARGES.where(wanted), count)

    def paid(self) -> list[tuple[str, int, str]]:
        """Key, micros and currency of each paid charge, oldest first."""
        paid = _CHARGES.where(_STATUS == Status.PAID).order_by(Booking.id)
        columns = paid.with_only_columns(Booking.key, Booking.amount, Booking.currency)
        with self._store.reading() as session:
            return [(key, micros, currency) for key, micros, currency in session.execute(columns)]

    def book(self, request: ChargeRequest, outcome: Outcome, now: datetime) -> Charge:
        """Book the outcome unless the key is booked already, and return the booked charge.

        If the bank requires a customer who is present, a challenge is started.
        """
        booking = {
            "key": request.key,
            "request": request_digest(request),
            "reference": f"ch_{token_hex(12)}",
            "card_reference": request.method_reference,
            "amount": request.amount,
            "currency": request.currency,
            "customer_present": request.customer_present,
            "status": outcome.status,
            "decline_code": outcome.decline_code,
            "created_at": now,
        }
        asks = outcome.status is Status.NEEDS_CUSTOMER and request.customer_present
        with self._store.writing() as session:
            connection = session.connection()
            is_new = connection.execute(_BOOK, booking).rowcount == 1
            if is_new and asks:
                kind, code = ChallengeKind.CHARGE, outcome.confirmed_code
                begin(session, kind, request.key, request.return_to, now, decline_code=code)
                session.flush()
            return Charge(*connection.execute(_CHARGE, {"key": request.key}).one())

    def book_verification(
        self, key: str, method_reference: str, decline_code: str, now: datetime
    ) -> Verification:
        """Like `book`; returns the booked verification."""
        with self._store.writing() as session:
            verification = session.get(Verification, key)
            if verification is None:
                verification = Verification(
                    key=key,
                    method_reference=method_reference,
                    decline_code=decline_code,
                    created_at=now,
                )
                session.add(verification)
        return verification

    def _newest(self, charges: Charges, count: int) -> list[Charge]:
        with self._store.reading() as session:
            rows = session.execute(charges.order_by(Booking.id.desc()).limit(count))
            return [Charge(*row) for row in rows]


def request_digest(request: ChargeRequest) -> str:
    """Digest of a request, to compare requests with the same key."""
    parts = (
        request.amount,
        request.currency,
        request.method_reference,
        request.customer_present,
    )
    return sha256(repr(parts).encode()).hexdigest()
