"""Payments and their attempts.

A payment is a request to move an amount once. Each attempt is one charge at a processor, with one
method and one idempotency key, and is committed before the processor is called (L3). Unique
indexes allow one attempt per payment that has taken or may take money, and one open attempt per
method, so a payment is never charged twice.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.base import Base, partial_index
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.i18n import N_
from webapp.ports import ChargeRequest

CHAIN_LIFE = timedelta(minutes=15)
"""Time limit for fallback to the next method on user-initiated payments."""

NOTE_LENGTH = 500

CHECKS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""L10: times after the start at which an unknown outcome is queried; then hourly."""

HOURLY = timedelta(hours=1)

NOT_KNOWN_BELIEVED = timedelta(minutes=30)
"""L10: a processor may receive a request late; "not known" is trusted only after this time."""

KEY_LIFETIME = timedelta(hours=23)
"""L10: processors honour an idempotency key for 24 hours; one hour is a safety margin."""

NOTIFY_AFTER = timedelta(hours=1)
"""L10: the customer is notified of an outcome that is unknown for this long."""

AUTHENTICATION_REQUIRED = "authentication_required"
"""Decline code: the bank requires the customer. An emailed link can resume the payment (F7)."""

RESUMABLE = timedelta(hours=48)
"""F10: lifetime of the emailed link."""

CHALLENGE_LIFE = timedelta(minutes=15)
"""F9: a challenge that is open for this long is cancelled at the processor."""

BY_OPERATOR = "decided by an operator"
"""Stored as the processor reference if the operator settled an attempt without one."""

TROUBLE_LENGTH = 500

REFUSALS_FOR_OPERATOR = 3
"""L8: after this many consecutive refusals the attempt needs an operator."""


class PaymentKind(StrEnum):
    AUTOMATIC = "automatic"
    INSTANT = "instant"
    AUTO_CHARGE = "auto_charge"
    RETRY = "retry"
    ADJUSTMENT = "adjustment"
    WIRE = "wire"
    REFUND = "refund"
    DISPUTE = "dispute"
    REVERSAL = "reversal"


KIND_NAMES = {
    PaymentKind.AUTOMATIC: N_("Automatic refill"),
    PaymentKind.INSTANT: N_("Add Funds"),
    PaymentKind.AUTO_CHARGE: N_("Add Funds, auto-charge"),
    PaymentKind.RETRY: N_("Retry"),
    PaymentKind.ADJUSTMENT: N_("Adjustment"),
    PaymentKind.WIRE: N_("Wire transfer"),
    PaymentKind.REFUND: N_("Refund"),
    PaymentKind.DISPUTE: N_("Dispute"),
    PaymentKind.REVERSAL: N_("Reversal"),
}


BRINGS_MONEY = (
    PaymentKind.AUTOMATIC,
    PaymentKind.INSTANT,
    PaymentKind.AUTO_CHARGE,
    PaymentKind.RETRY,
    PaymentKind.WIRE,
)


class PaymentState(StrEnum):
    OPEN = "open"
    PAID = "paid"
    FAILED = "failed"
    ABANDONED = "abandoned"
    """The customer left the bank's challenge unanswered (F9)."""


class AttemptState(StrEnum):
    STARTED = "started"
    """Committed; the call is running or was interrupted by a crash."""
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """The processor rejected the request (L8); it is repeated under the same key."""
    CHALLENGED = "challenged"
    """The bank is waiting for the customer, who is present."""
    PAID = "paid"
    DECLINED = "declined"
    ABANDONED = "abandoned"


OPEN_STATES = (
    AttemptState.STARTED,
    AttemptState.UNKNOWN,
    AttemptState.REFUSED,
    AttemptState.CHALLENGED,
)
"""States in which money may still be taken."""

LIVE_STATES = (*OPEN_STATES, AttemptState.PAID)
"""States in which money was or may be taken; these count towards the limits (T10)."""

_OPEN = "state IN ('started', 'unknown', 'refused', 'challenged')"

_LIVE = "state IN ('started', 'unknown', 'refused', 'challenged', 'paid')"


class Payment(Base):
    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        # One payment per top-up, and one per submitted form, also if it is submitted twice.
        Index("uq_payment_top_up_id", "top_up_id", unique=True),
        Index("uq_payment_account_id_request_key", "account_id", "request_key", unique=True),
        Index("ix_payment_account_id_id", "account_id", "id"),
        partial_index("ix_payment_open", "account_id", where="state = 'open'"),
        # For the payment that covers a failed one, without reading what failed in between.
        partial_index("ix_payment_paid", "account_id", "id", where="state = 'paid'"),
        # For searching notes, which few payments have.
        partial_index("ix_payment_noted", "account_id", where="note <> ''"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[PaymentKind] = mapped_column(String(20))
    state: Mapped[PaymentState] = mapped_column(String(10), default=PaymentState.OPEN)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    top_up_id: Mapped[int | None] = mapped_column(ForeignKey("top_up.id"))
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    request_key: Mapped[str | None] = mapped_column(String(64))
    """Idempotency key of the form; a form submitted twice finds its payment by it."""
    note: Mapped[str] = mapped_column(String(NOTE_LENGTH), default="")
    """Reason of an adjustment, or description of a reversal."""
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]

    attempts: Mapped[list["Attempt"]] = relationship(
        back_populates="payment", order_by="Attempt.id"
    )

    @property
    def is_automatic(self) -> bool:
        """Off-session charge with fallback and spending limits (T6, T7, T10)."""
        return self.kind == PaymentKind.AUTOMATIC

    @property
    def reference(self) -> str:
        return reference_of(self.id)

    @property
    def has_open_attempt(self) -> bool:
        return any(attempt.is_open for attempt in self.attempts)

    @property
    def tried_method_ids(self) -> frozenset[int]:
        return frozenset(a.method_id for a in self.attempts if a.method_id is not None)

    def settle(self, state: PaymentState, now: datetime) -> None:
        """Set the final state. A failed payment becomes paid if an open attempt is paid later."""
        if self.state == PaymentState.OPEN or state == PaymentState.PAID:
            self.state = state
            self.settled_at = now

    @staticmethod
    def by_request_key(session: Session, account_id: int, key: str) -> "Payment | None":
        return session.scalar(
            select(Payment).where(Payment.account_id == account_id, Payment.request_key == key)
        )


class Attempt(Base):
    __tablename__ = "attempt"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        Index("uq_attempt_key", "key", unique=True),
        partial_index("uq_attempt_live_per_payment", "payment_id", where=_LIVE, unique=True),
        partial_index("uq_attempt_open_per_method", "method_id", where=_OPEN, unique=True),
        partial_index("ix_attempt_next_check_at", "next_check_at", where=_OPEN),
        Index("ix_attempt_payment_id", "payment_id"),
        partial_index("ix_attempt_needs_operator", "id", where="needs_operator"),
        # Each filter and sort order of the payments list has an index that ends in that order, so
        # that the cost of a page does not depend on the length of the list.
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
        # From a version of the settings to the attempts that it caused (E2).
        partial_index(
            "ix_attempt_by_settings",
            "account_id",
            "settings_version",
            "started_at",
            "id",
            where="settings_version IS NOT NULL",
        ),
        Index("ix_attempt_account_id_state_id", "account_id", "state", "id"),
        Index("ix_attempt_method_id_id", "method_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payment_method.id"))
    """NULL if no processor was involved, as for an operator's adjustment."""
    retry_of_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"), index=True)
    """The failed attempt that the customer retries (F4)."""
    kind: Mapped[PaymentKind] = mapped_column(String(20))
    """Copy of the payment's kind, for the indexes of the payments list."""
    processor: Mapped[str] = mapped_column(String(20))
    method_reference: Mapped[str] = mapped_column(String(120), default="")
    """The method's reference at the start, so that a repeated request is identical."""
    key: Mapped[str] = mapped_column(String(64))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    customer_present: Mapped[bool] = mapped_column(default=False)
    automatic: Mapped[bool] = mapped_column(default=False)
    """Attempt of an automatic refill; counts towards the limits and the burst breaker (T10)."""
    settings_version: Mapped[int | None]
    """Version of the low-balance settings that caused the attempt (E2)."""
    state: Mapped[AttemptState] = mapped_column(String(10), default=AttemptState.STARTED)
    decline_code: Mapped[str | None] = mapped_column(String(60))
    decline_class: Mapped[str | None] = mapped_column(String(10))
    suspended_method: Mapped[bool] = mapped_column(default=False)
    """Whether this decline suspended the method (F11)."""
    processor_reference: Mapped[str | None] = mapped_column(String(120))
    trouble: Mapped[str | None] = mapped_column(String(TROUBLE_LENGTH))
    """Why the attempt is still open (L8, L10)."""
    refusals: Mapped[int] = mapped_column(default=0)
    """Number of consecutive rejections by the processor (L8)."""
    mismatch: Mapped[str | None] = mapped_column(Text)
    """Evidence of a payment that does not match the request (L9); never overwritten."""
    needs_operator: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
    """The processor's own time of the decline (F8)."""
    link_ended_at: Mapped[datetime | None]
    """F10: when a payment refilled the balance, which ends the emailed link for good."""
    checks: Mapped[int] = mapped_column(default=0)
    """Number of steps of `CHECKS` that have passed (L10)."""
    next_check_at: Mapped[datetime | None]
    customer_notified: Mapped[bool] = mapped_column(default=False)

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
        """Create the attempt, which must be committed before the processor is called (L3)."""
        method.correct_clock(now, now)
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
        """Id of the original failure of a series of Retries."""
        return self.retry_of_id or self.id

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def method_label(self) -> str:
        return self.method.label if self.method else "the method"

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
        """Schedule the next query: 10 s, 1, 5 and 15 min after the start, then hourly (L10).

        Missed checks are skipped. After 30 minutes each check may repeat the request, and "not
        known" must not be trusted while the repeated request is running.
        """
        # If the clock was set back, the start may lie in the future.
        self.started_at = min(self.started_at, now)
        self.checks = sum(self.started_at + step <= now for step in CHECKS)
        if self.checks < len(CHECKS):
            due = self.started_at + CHECKS[self.checks]
        else:
            due = now + HOURLY
            if now - self.started_at < NOT_KNOWN_BELIEVED:
                due = min(due, self.started_at + NOTIFY_AFTER)
        self.next_check_at = max(due, now + CHECKS[0])

    def extend_challenge(self, now: datetime) -> bool:
        """Extend an open challenge if the clock was set back before its deadline (F9).

        The customer then has the full `CHALLENGE_LIFE` again. Returns whether it was extended.
        """
        asked = self.state == AttemptState.CHALLENGED
        if not asked or self.next_check_at is None or self.next_check_at <= now:
            return False
        self.next_check_at = now + CHALLENGE_LIFE
        return True

    def should_notify_customer(self, now: datetime) -> bool:
        return not self.customer_notified and now - self.started_at >= NOTIFY_AFTER


def reference_of(payment_id: int) -> str:
    """Return the payment's reference for people, such as P-000012."""
    return f"P-{payment_id:06d}"
