"""Wire transfers: a way to add funds, never chargeable (M1, L5, L11).

A request gives the customer a reference for the transfer. When the money has arrived, the operator
completes the request; only this credits the account. Unique indexes allow one payment per request
and one request per payment.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from re import compile as pattern
from secrets import choice

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, func, select, update
from sqlalchemy.orm import Mapped, Session, contains_eager, mapped_column, relationship

from webapp.currencies import Bounds, minor_unit
from webapp.database.base import Base, partial_index
from webapp.domain.payments.payment import Payment
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.shared.money import BadAmount, decimals_fault
from webapp.domain.shared.policy import Policy

COMMON_CURRENCIES = ("USD", "EUR")
"""Currencies in which every account can request a wire, besides its own."""

OPEN_AT_ONCE = 10
"""Maximum number of open requests per account."""

PROOFS = 5
"""Maximum number of files per request."""

PROOF_BYTES = 200 * 1024 * 1024
"""Maximum size of all files of an account's open, rejected and cancelled requests."""

FORGET_PROOFS_AFTER = timedelta(days=14)
"""Time after the cancellation of a request at which its files are deleted."""

REASON_LENGTH = 300

RATE_PLACES = 8
_RATE = pattern(r"(?a:\d{1,6}(?:\.\d{1,8})?)")

ALPHABET = "34679CDFGHJKMNPRTWX"
"""Characters of references, without similar ones (0 O, 1 I L, 2 Z, 5 S, 8 B, U V) and vowels. Their
number is a prime, which the check character needs."""

CHECKED = 7
"""Number of characters before the check character, for 900 million references."""

Show = Callable[[int, str], str]
"""Formats micros of a currency in the account's number format."""


class WireState(StrEnum):
    NEW = "new"
    PROOF_UPLOADED = "proof_uploaded"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


STATE_NAMES = {
    WireState.NEW: "New",
    WireState.PROOF_UPLOADED: "Proof uploaded",
    WireState.COMPLETED: "Completed",
    WireState.REJECTED: "Rejected",
    WireState.CANCELLED: "Cancelled",
}

OPEN_STATES = (WireState.NEW, WireState.PROOF_UPLOADED)

_OPEN = "state IN ('new', 'proof_uploaded')"


class WireRequest(Base):
    """A wire request. Methods that change its state are idempotent and return whether they did."""

    __tablename__ = "wire_request"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_above_zero"),
        CheckConstraint(
            "(state = 'completed') = (payment_id IS NOT NULL)", name="completed_names_its_payment"
        ),
        Index("uq_wire_request_reference", "reference", unique=True),
        Index("uq_wire_request_payment_id", "payment_id", unique=True),
        # One request per form, also if it is submitted twice.
        Index("uq_wire_request_account_id_request_key", "account_id", "request_key", unique=True),
        Index("ix_wire_request_account_id_id", "account_id", "id"),
        partial_index("ix_wire_request_open", "account_id", where=_OPEN),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reference: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Requested amount: whole minor units of `currency`, in micros."""
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[WireState] = mapped_column(String(20), default=WireState.NEW)
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    request_key: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    proved_at: Mapped[datetime | None]
    """Time of the first proof."""
    closed_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(String(REASON_LENGTH), default="")
    """Why it was rejected, for the customer."""
    received: Mapped[int | None] = mapped_column(BigInteger)
    """Received amount: micros of `currency`. The booked amount is the payment's (L11)."""
    rate: Mapped[str | None] = mapped_column(String(20))
    """Exact decimal: the account's currency per unit of `currency`; NULL if they are the same."""
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))

    payment: Mapped[Payment | None] = relationship()
    proofs: Mapped[list["WireProof"]] = relationship(back_populates="wire", order_by="WireProof.id")

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    def prove(self, session: Session, now: datetime) -> bool:
        return self._move(session, (WireState.NEW,), WireState.PROOF_UPLOADED, proved_at=now)

    def complete(
        self, session: Session, payment: Payment, received: int, rate: Decimal | None, now: datetime
    ) -> bool:
        return self._move(
            session,
            OPEN_STATES,
            WireState.COMPLETED,
            payment_id=payment.id,
            received=received,
            rate=None if rate is None else rate_text(rate),
            closed_at=now,
        )

    def reject(self, session: Session, reason: str, now: datetime) -> bool:
        return self._move(session, OPEN_STATES, WireState.REJECTED, reason=reason, closed_at=now)

    def cancel(self, session: Session, now: datetime) -> bool:
        return self._move(session, OPEN_STATES, WireState.CANCELLED, closed_at=now)

    def is_completed_with(self, amount: int, received: int, rate: Decimal | None) -> bool:
        """Return whether it was completed with the same values."""
        return (
            self.payment is not None
            and (self.payment.amount, self.received) == (amount, received)
            and self.rate == (None if rate is None else rate_text(rate))
        )

    def require_open(self) -> None:
        """Raise `Conflict` if it is completed, rejected or cancelled."""
        if not self.is_open:
            name = STATE_NAMES[WireState(self.state)].lower()
            raise Conflict(f"{self.reference} is already {name}.", code=f"wire_{self.state}")

    def _move(
        self, session: Session, before: tuple[WireState, ...], after: WireState, **values: object
    ) -> bool:
        """Change the state with a guarded update; False if the state is not in `before`."""
        session.flush()
        moved = session.connection().execute(
            update(WireRequest)
            .where(WireRequest.id == self.id, WireRequest.state.in_(before))
            .values(state=after, **values)
        )
        session.refresh(self)
        return moved.rowcount == 1


class WireProof(Base):
    """A proof of payment: a file that shows that the money was sent."""

    __tablename__ = "wire_proof"
    __table_args__ = (
        # The same file uploaded twice is one proof.
        Index("uq_wire_proof_wire_id_digest", "wire_id", "digest", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    wire_id: Mapped[int] = mapped_column(ForeignKey("wire_request.id"))
    file: Mapped[str] = mapped_column(String(64))
    """Random file name in the folder of proofs."""
    name: Mapped[str] = mapped_column(String(120))
    """The customer's file name, for display only."""
    kind: Mapped[str] = mapped_column(String(10))
    """Type determined by its content; see `proofs.ProofKind`."""
    size: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    uploaded_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    uploaded_at: Mapped[datetime]

    wire: Mapped[WireRequest] = relationship(back_populates="proofs")


def proof_bytes(session: Session, account_id: int) -> int:
    """Return the size of the files that count towards `PROOF_BYTES`."""
    sizes = (
        select(func.coalesce(func.sum(WireProof.size), 0))
        .join(WireProof.wire)
        .where(WireRequest.account_id == account_id, WireRequest.state != WireState.COMPLETED)
    )
    return int(session.scalar(sizes) or 0)


def old_proofs(ctx: Context, limit: int) -> list[WireProof]:
    """Return proofs of requests that were cancelled before `FORGET_PROOFS_AFTER`."""
    query = (
        select(WireProof)
        .join(WireProof.wire)
        .where(
            WireRequest.state == WireState.CANCELLED,
            WireRequest.closed_at <= ctx.now - FORGET_PROOFS_AFTER,
        )
        .options(contains_eager(WireProof.wire))
        .order_by(WireProof.id)
        .limit(limit)
    )
    return list(ctx.session.scalars(query))


def new_reference(session: Session) -> str:
    """Return a reference that no other request has."""
    while True:
        reference = written("".join(choice(ALPHABET) for _ in range(CHECKED)))
        if session.scalar(select(WireRequest.id).where(WireRequest.reference == reference)) is None:
            return reference


def written(characters: str) -> str:
    """Format a reference: "WT-CDFG-HJK3"."""
    whole = characters + check_character(characters)
    return f"WT-{whole[:4]}-{whole[4:]}"


def check_character(characters: str) -> str:
    """Return the check character: a weighted sum modulo a prime.

    It detects any single wrong character and any swap of two characters.
    """
    total = sum(place * ALPHABET.index(char) for place, char in enumerate(characters, start=2))
    return ALPHABET[-total % len(ALPHABET)]


def read_reference(typed: str) -> str | None:
    """Normalise a typed reference; None if it is invalid."""
    characters = "".join(char for char in typed.upper() if char not in " -\t")
    if len(characters) == CHECKED + 3:
        characters = characters.removeprefix("WT")
    if len(characters) != CHECKED + 1 or not set(characters) <= set(ALPHABET):
        return None
    reference = written(characters[:-1])
    return reference if reference.endswith(characters[-1]) else None


def find(session: Session, account_id: int, wire_id: int) -> WireRequest:
    """Return the account's request. Raises `NotFound`, also for another account's request."""
    wire = session.scalar(
        select(WireRequest).where(WireRequest.id == wire_id, WireRequest.account_id == account_id),
        execution_options={"populate_existing": True},
    )
    if wire is None:
        raise NotFound("That wire transfer")
    return wire


def by_request_key(session: Session, account_id: int, key: str) -> WireRequest | None:
    return session.scalar(
        select(WireRequest).where(
            WireRequest.account_id == account_id, WireRequest.request_key == key
        )
    )


def first_open(session: Session, account_id: int) -> WireRequest | None:
    """Return the account's oldest open request."""
    query = select(WireRequest).where(
        WireRequest.account_id == account_id, WireRequest.state.in_(OPEN_STATES)
    )
    return session.scalar(query.order_by(WireRequest.id).limit(1))


def open_count(session: Session, account_id: int) -> int:
    count = session.scalar(
        select(func.count()).where(
            WireRequest.account_id == account_id, WireRequest.state.in_(OPEN_STATES)
        )
    )
    return count or 0


def currencies_of(account_currency: str) -> tuple[str, ...]:
    """Return the currencies in which an account can request a wire, its own one first."""
    return tuple(dict.fromkeys((account_currency, *COMMON_CURRENCIES)))


def bounds_of(currency: str, account_currency: str, policy: Policy) -> Bounds:
    """Return the bounds of a wire in this currency.

    For a currency that accounts cannot have they are as many minor units as the account's.
    """
    return policy.offered.get(currency) or policy.bounds(account_currency).of(currency)


def request_faults(
    amount: int, currency: str, account_currency: str, policy: Policy, show: Show
) -> dict[str, str]:
    """Return an error for each invalid field of a request."""
    offered = currencies_of(account_currency)
    if currency not in offered:
        return {"currency": f"Choose {' or '.join(offered)}"}
    bounds = bounds_of(currency, account_currency, policy)
    if fault := decimals_fault(amount, currency):
        return {"amount": fault}
    if amount < bounds.payment_min:
        return {"amount": f"At least {show(bounds.payment_min, currency)}"}
    if amount > bounds.payment_max:
        return {"amount": f"At most {show(bounds.payment_max, currency)}"}
    return {}


def completion_faults(
    currency: str,
    account_currency: str,
    amount: int,
    received: int | None,
    rate: Decimal | None,
    show: Show,
) -> dict[str, str]:
    """Return an error for each invalid field of a completion (L11).

    `amount` is booked in the account's currency; `received` is in the wire's currency.
    """
    if currency == account_currency:
        if rate is not None:
            return {"rate": f"{currency} is the account's currency: leave the rate empty"}
        if received not in (None, amount):
            return {"received": f"Must be the booked amount, {show(amount, currency)}"}
        return _uneven({"amount": (amount, currency)})
    if received is None:
        return {"received": f"Enter the amount received in {currency}"}
    if rate is None:
        return {"rate": f"Enter how much {account_currency} was booked for 1 {currency}"}
    amounts = {"amount": (amount, account_currency), "received": (received, currency)}
    if faults := _uneven(amounts):
        return faults
    if abs(Decimal(amount) - received * rate) > minor_unit(account_currency):
        due = show(int((received * rate).to_integral_value()), account_currency)
        return {
            "amount": f"{show(received, currency)} at {rate_text(rate)} is {due}, "
            f"not {show(amount, account_currency)}"
        }
    return {}


def _uneven(amounts: Mapping[str, tuple[int, str]]) -> dict[str, str]:
    faults = {
        name: "Must be above zero" if amount <= 0 else decimals_fault(amount, currency)
        for name, (amount, currency) in amounts.items()
    }
    return {name: fault for name, fault in faults.items() if fault}


def parse_rate(typed: str) -> Decimal:
    """Parse a positive decimal, such as "1.0842". Raises `BadAmount`."""
    typed = typed.strip()
    if not _RATE.fullmatch(typed):
        raise BadAmount(f"Enter a rate such as 1.0842, at most {RATE_PLACES} decimals")
    rate = Decimal(typed)
    if not rate:
        raise BadAmount("Must be above zero")
    return rate


def rate_text(rate: Decimal) -> str:
    """Format a rate without trailing zeros: 1.10 is "1.1"."""
    whole = f"{rate:f}"
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def rate_in_words(wire: WireRequest, account_currency: str) -> str:
    """ "1 EUR = 1.0842 USD"; empty if there was no conversion."""
    return f"1 {wire.currency} = {wire.rate} {account_currency}" if wire.rate else ""
