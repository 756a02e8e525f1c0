"""Attempts: each is one call to a processor for a payment, with one method and one idempotency key.

It is written and committed before the call (L3). The database allows a method one open attempt, so
a double click cannot charge twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, joinedload, mapped_column, relationship

from webapp.database.base import Base, columns, spelled
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Payment, PaymentKind, PaymentState
from webapp.domain.shared.errors import NotFound
from webapp.ports import ChargeRequest

CHECKS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""L10: when an unknown outcome is asked about, counted from the start; then hourly."""

HOURLY = timedelta(hours=1)

NOT_KNOWN_BELIEVED = timedelta(minutes=30)
"""L10: a processor may learn of a request late; only then is "not known" believed."""

KEY_LIFETIME = timedelta(hours=23)
"""L10: processors honour an idempotency key for a day; an hour is left as a margin."""

TELL_CUSTOMER = timedelta(hours=1)

AUTHENTICATION_REQUIRED = "authentication_required"
"""The bank wants the customer present: the decline that a mail's link can resume (F7)."""

RESUMABLE = timedelta(hours=48)
"""F10: how long that link lives."""

CHALLENGE_LIFE = timedelta(minutes=15)
"""F9: a challenge left open for so long is cancelled at the processor."""

BY_OPERATOR = "decided by an operator"
"""In place of the processor's reference, where nobody was told one."""

TROUBLE_LENGTH = 500

REFUSALS_FOR_OPERATOR = 3
"""L8: so many refusals in a row are no passing trouble; an operator has to look."""


class AttemptState(StrEnum):
    STARTED = "started"
    """Written; the call is under way, or a crash has cut it off."""
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """The processor refused to look (L8): tried again under the same key."""
    CHALLENGED = "challenged"
    """The bank is asking the customer, who is there."""
    PAID = "paid"
    DECLINED = "declined"
    ABANDONED = "abandoned"


OPEN_STATES = (
    AttemptState.STARTED,
    AttemptState.UNKNOWN,
    AttemptState.REFUSED,
    AttemptState.CHALLENGED,
)
"""What may still take money."""

LIVE_STATES = (*OPEN_STATES, AttemptState.PAID)
"""What has taken money or may have: it counts towards the limits (T10)."""

_OPEN = "state IN ('started', 'unknown', 'refused', 'challenged')"

_LIVE = "state IN ('started', 'unknown', 'refused', 'challenged', 'paid')"


class Attempt(Base):
    __tablename__ = "attempt"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        Index("uq_attempt_key", "key", unique=True),
        Index(
            "uq_attempt_live_per_payment",
            "payment_id",
            unique=True,
            sqlite_where=text(_LIVE),
            postgresql_where=text(_LIVE),
        ),
        Index(
            "uq_attempt_open_per_method",
            "method_id",
            unique=True,
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
        Index(
            "ix_attempt_next_check_at",
            "next_check_at",
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
        Index("ix_attempt_payment_id", "payment_id"),
        Index(
            "ix_attempt_needs_operator",
            "id",
            sqlite_where=text("needs_operator"),
            postgresql_where=text("needs_operator"),
        ),
        # The list of payments: each of its filters and orders has an index that ends as the order
        # does, so that a page costs the same however long the list is.
        Index("ix_attempt_account_id_started_at_id", "account_id", "started_at", "id"),
        Index(
            "ix_attempt_account_id_state_started_at_id", "account_id", "state", "started_at", "id"
        ),
        Index("ix_attempt_account_id_kind_started_at_id", "account_id", "kind", "started_at", "id"),
        Index("ix_attempt_method_id_started_at_id", "method_id", "started_at", "id"),
        Index("ix_attempt_account_id_amount_id", "account_id", "amount", "id"),
        Index("ix_attempt_account_id_state_amount_id", "account_id", "state", "amount", "id"),
        Index("ix_attempt_account_id_kind_amount_id", "account_id", "kind", "amount", "id"),
        Index("ix_attempt_method_id_amount_id", "method_id", "amount", "id"),
        # From the settings to what they have caused (E2).
        Index(
            "ix_attempt_by_settings",
            "account_id",
            "settings_version",
            "started_at",
            "id",
            sqlite_where=text("settings_version IS NOT NULL"),
            postgresql_where=text("settings_version IS NOT NULL"),
        ),
        Index("ix_attempt_account_id_state_id", "account_id", "state", "id"),
        Index("ix_attempt_method_id_id", "method_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payment_method.id"))
    """Empty for what no processor took, such as an operator's adjustment."""
    retry_of_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"), index=True)
    """The failed attempt that the customer repeats (F4)."""
    kind: Mapped[PaymentKind] = mapped_column(String(20))
    """Its payment's, for the indexes of the list."""
    processor: Mapped[str] = mapped_column(String(20))
    method_reference: Mapped[str] = mapped_column(String(120), default="")
    """The processor's, as it was: repeating the request must not depend on later changes."""
    key: Mapped[str] = mapped_column(String(64))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    customer_present: Mapped[bool] = mapped_column(default=False)
    automatic: Mapped[bool] = mapped_column(default=False)
    """Of an automatic payment: counts towards limits and the burst breaker."""
    settings_version: Mapped[int | None]
    """The low-balance settings that caused it (E2)."""
    state: Mapped[AttemptState] = mapped_column(String(10), default=AttemptState.STARTED)
    decline_code: Mapped[str | None] = mapped_column(String(60))
    decline_class: Mapped[str | None] = mapped_column(String(10))
    suspended_method: Mapped[bool] = mapped_column(default=False)
    """This decline is the one that took the method out of use (F11)."""
    processor_reference: Mapped[str | None] = mapped_column(String(120))
    trouble: Mapped[str | None] = mapped_column(String(TROUBLE_LENGTH))
    """Why it is still open (L8, L10)."""
    refusals: Mapped[int] = mapped_column(default=0)
    """How often in a row the processor has refused to look at it (L8)."""
    mismatch: Mapped[str | None] = mapped_column(Text)
    """Evidence of a payment that does not match what was asked (L9); never overwritten."""
    needs_operator: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
    """The processor's own time of the decline (F8)."""
    link_ended_at: Mapped[datetime | None]
    """F10: when a payment refilled the balance, so that the emailed link ended for good."""
    checks: Mapped[int] = mapped_column(default=0)
    """How many of L10's first checks lie behind it."""
    next_check_at: Mapped[datetime | None]
    customer_told: Mapped[bool] = mapped_column(default=False)

    payment: Mapped[Payment] = relationship(back_populates="attempts")
    method: Mapped[PaymentMethod | None] = relationship()

    @classmethod
    def start(
        cls,
        payment: Payment,
        method: PaymentMethod,
        now: datetime,
        *,
        settings_version: int | None = None,
        retry_of: "Attempt | None" = None,
    ) -> "Attempt":
        """The row that must be committed before the processor is called."""
        method.heed_clock(now, now)
        return cls(
            payment=payment,
            account_id=payment.account_id,
            kind=payment.kind,
            method=method,
            processor=method.processor,
            method_reference=method.processor_reference,
            key=f"attempt-{token_hex(16)}",
            amount=payment.amount,
            currency=payment.currency,
            customer_present=payment.kind in (PaymentKind.INSTANT, PaymentKind.RETRY),
            automatic=payment.is_automatic,
            settings_version=settings_version,
            retry_of_id=retry_of.root_id if retry_of else None,
            started_at=now,
            next_check_at=now + CHECKS[0],
        )

    @property
    def root_id(self) -> int:
        """The failure that all Retries after it are about."""
        return self.retry_of_id or self.id

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    def request(self, return_to: str = "") -> ChargeRequest:
        return ChargeRequest(
            key=self.key,
            amount=self.amount,
            currency=self.currency,
            method_reference=self.method_reference,
            customer_present=self.customer_present,
            return_to=return_to,
        )

    def plan_next_check(self, now: datetime) -> None:
        """L10: 10 s, 1, 5 and 15 min after the start, then hourly.

        Checks that were missed are not made up for: from the half hour on each may repeat the
        request, and nobody else may believe "not known" while that is on its way.
        """
        # After the clock was set back it would first have to wait for its own start.
        self.started_at = min(self.started_at, now)
        self.checks = sum(self.started_at + step <= now for step in CHECKS)
        if self.checks < len(CHECKS):
            due = self.started_at + CHECKS[self.checks]
        else:
            due = now + HOURLY
            if now - self.started_at < NOT_KNOWN_BELIEVED:
                due = min(due, self.started_at + TELL_CUSTOMER)
        self.next_check_at = max(due, now + CHECKS[0])

    def grants_time(self, now: datetime) -> bool:
        """F9: whom the bank asks keeps a quarter of an hour, also when the clock is set back."""
        asked = self.state == AttemptState.CHALLENGED
        if not asked or self.next_check_at is None or self.next_check_at <= now:
            return False
        self.next_check_at = now + CHALLENGE_LIFE
        return True

    def owes_word_to_customer(self, now: datetime) -> bool:
        return not self.customer_told and now - self.started_at >= TELL_CUSTOMER


def find_attempt(session: Session, account_id: int, attempt_id: int) -> Attempt:
    """Finding it is the permission check. Raises `NotFound`."""
    attempt = session.scalar(
        select(Attempt).where(Attempt.id == attempt_id, Attempt.account_id == account_id)
    )
    if attempt is None:
        raise NotFound("That payment")
    return attempt


_OPEN_OF_ACCOUNT = (
    select(Attempt)
    .where(Attempt.account_id == bindparam("account_id"), Attempt.state.in_(OPEN_STATES))
    .order_by(Attempt.id)
)


def open_attempts(session: Session, account_id: int) -> list[Attempt]:
    return list(session.scalars(_OPEN_OF_ACCOUNT, {"account_id": account_id}))


_OPEN_WITH = select(Attempt).where(
    Attempt.method_id == bindparam("method_id"),
    Attempt.state.in_([spelled(state) for state in OPEN_STATES]),
)


def open_attempt_with(session: Session, method_id: int) -> Attempt | None:
    return session.scalar(_OPEN_WITH, {"method_id": method_id})


@dataclass(frozen=True)
class Spending:
    """What automatic payments have taken, or may have (T10), and what is under way."""

    today: int
    """Micros."""
    this_month: int
    recent: int
    """How many, within the burst window."""
    manual_open: bool
    """A payment that a person asked for."""
    any_open: bool
    """Any attempt at all."""


_AUTOMATIC_AND_LIVE = (
    Attempt.account_id == bindparam("account_id"),
    Attempt.automatic,
    Attempt.state.in_([spelled(state) for state in LIVE_STATES]),
)


_open = aliased(Attempt)

# Money counts for the day on which it was taken, also when its request was first made the day
# before and repeated since; while that is not known, for any day.
_taken_at = func.coalesce(LedgerEntry.occurred_at, bindparam("unknown"))

# The same for the burst breaker (T10); what is open counts from its start.
_counted_at = func.coalesce(LedgerEntry.occurred_at, Attempt.started_at)

_SPENDING = select(
    func.sum(case((_taken_at >= bindparam("day"), Attempt.amount), else_=0)),
    func.sum(case((_taken_at >= bindparam("month"), Attempt.amount), else_=0)),
    func.sum(
        case(
            (
                and_(_counted_at > bindparam("since"), _counted_at < bindparam("until")),
                1,
            ),
            else_=0,
        )
    ),
    exists().where(
        Payment.account_id == bindparam("account_id"),
        Payment.state == spelled(PaymentState.OPEN),
        Payment.kind != spelled(PaymentKind.AUTOMATIC),
    ),
    exists().where(
        _open.account_id == bindparam("account_id"),
        _open.state.in_([spelled(state) for state in OPEN_STATES]),
    ),
).where(*_AUTOMATIC_AND_LIVE, Attempt.started_at >= bindparam("earliest"))

_SPENDING = _SPENDING.outerjoin_from(Attempt, LedgerEntry, LedgerEntry.attempt_id == Attempt.id)


def spending(
    session: Session,
    account_id: int,
    *,
    day: datetime,
    month: datetime,
    burst: tuple[datetime, datetime],
) -> Spending:
    """Since the starts of the day and of the month, and within the burst window."""
    since, until = burst
    bounds = {"day": day, "month": month, "since": since, "until": until}
    bounds["earliest"] = min(month, since) - KEY_LIFETIME
    bounds["unknown"] = day
    today, this_month, recent, manual_open, any_open = columns(
        session, _SPENDING, {"account_id": account_id, **bounds}
    ).one()
    return Spending(
        int(today or 0), int(this_month or 0), int(recent or 0), bool(manual_open), bool(any_open)
    )


def last_retry_of(session: Session, failed: Attempt) -> Attempt | None:
    """The latest Retry of this failure; one that was abandoned does not count."""
    return session.scalar(
        select(Attempt)
        .where(Attempt.retry_of_id == failed.root_id, Attempt.state != AttemptState.ABANDONED)
        .order_by(Attempt.id.desc())
        .limit(1)
    )


def paid_retry_of(session: Session, failed: Attempt) -> Attempt | None:
    """The Retry of this failure, or of the failure it repeated, that has succeeded."""
    return session.scalar(
        select(Attempt)
        .where(Attempt.retry_of_id == failed.root_id, Attempt.state == AttemptState.PAID)
        .limit(1)
    )


def covering(session: Session, failed: Sequence[Attempt]) -> dict[int, Attempt]:
    """What was paid instead of each, by its id: with its payment's next method, or by a Retry."""
    paid = session.scalars(
        select(Attempt)
        .where(
            Attempt.state == AttemptState.PAID,
            or_(
                Attempt.payment_id.in_([it.payment_id for it in failed]),
                Attempt.retry_of_id.in_([it.root_id for it in failed]),
            ),
        )
        .options(joinedload(Attempt.method))
        .order_by(Attempt.id.desc())
    ).all()
    by_retry = {it.retry_of_id: it for it in paid}
    by_payment = {it.payment_id: it for it in paid}
    found = {it.id: by_payment.get(it.payment_id) or by_retry.get(it.root_id) for it in failed}
    return {failed_id: it for failed_id, it in found.items() if it is not None}


_LIVE_LINKS = (
    update(Attempt)
    .where(
        Attempt.account_id == bindparam("of_account"),
        Attempt.state == spelled(AttemptState.DECLINED),
        Attempt.decline_code == AUTHENTICATION_REQUIRED,
        Attempt.automatic,
        Attempt.link_ended_at.is_(None),
    )
    .values(link_ended_at=bindparam("ended_at"))
    .execution_options(synchronize_session=False)
)


def end_links(session: Session, account_id: int, now: datetime) -> None:
    """F10: a payment has refilled the balance, so no emailed link resumes an earlier one."""
    session.execute(_LIVE_LINKS, {"of_account": account_id, "ended_at": now})


def awaiting_operator(session: Session) -> list[Attempt]:
    """What only an operator can settle (L9, L10), the oldest first."""
    return list(session.scalars(select(Attempt).where(Attempt.needs_operator).order_by(Attempt.id)))
