"""Payment methods (cards and PayPal agreements): order, consent, suspension and status."""

from calendar import monthrange
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    and_,
    bindparam,
    func,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.shared.datetimes import local
from webapp.domain.shared.errors import NotFound, Stale
from webapp.domain.shared.i18n import N_, Translator
from webapp.ports import DeclineClass, Saved, SavedAgreement

SUSPENSION = timedelta(hours=48)
"""F1: how long a failure suspends a method from automatic billing."""

DECLINES_IN_A_ROW = 5
"""T16: after this many consecutive automatic declines a method needs a manual payment."""

EXPIRY_BADGE = timedelta(days=60)
"""Time before the expiry in which the row counts the days."""

PAYPAL = "PayPal"
"""First word of the label of a PayPal agreement; the payer's address follows."""

BRANDS = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "discover": "Discover",
    "diners": "Diners Club",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "maestro": "Maestro",
}


class MethodKind(StrEnum):
    CARD = "card"
    PAYPAL = "paypal"


class MethodStatus(StrEnum):
    """Whether a method can be charged automatically, and if not, why not."""

    READY = "ready"
    AUTO_CHARGE_OFF = "auto_charge_off"
    GONE = "gone"
    """Removed at the processor, or its agreement cancelled there (M13)."""
    EXPIRED = "expired"
    BARRED = "barred"
    """Blocked by a decline that the networks forbid repeating (F3)."""
    RESTED = "rested"
    """Too many consecutive automatic declines (T16)."""
    SUSPENDED = "suspended"


class PaymentMethod(Base):
    __tablename__ = "payment_method"
    __table_args__ = (
        CheckConstraint("position <> 0", name="position_is_not_zero"),
        partial_index(
            "uq_payment_method_account_id_position",
            "account_id",
            "position",
            where="removed_at IS NULL",
            unique=True,
        ),
        # M8: one listed card per fingerprint.
        partial_index(
            "uq_payment_method_account_id_fingerprint",
            "account_id",
            "fingerprint",
            where="removed_at IS NULL",
            unique=True,
        ),
        Index("ix_payment_method_processor_reference", "processor", "processor_reference"),
        # Partial, so that the job that records ended suspensions reads only suspended methods.
        partial_index(
            "ix_payment_method_suspended_until",
            "suspended_until",
            where="suspended_until IS NOT NULL",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[MethodKind] = mapped_column(String(10), default=MethodKind.CARD)
    processor: Mapped[str] = mapped_column(String(20))
    processor_reference: Mapped[str] = mapped_column(String(120))
    fingerprint: Mapped[str] = mapped_column(String(120))
    position: Mapped[int]
    """1 is the primary (M2). Negative only within a reordering transaction."""
    auto_charge: Mapped[bool] = mapped_column(default=False)
    """The customer's consent (M3). Only the customer changes it."""
    auto_charge_changed_at: Mapped[datetime | None]

    brand: Mapped[str] = mapped_column(String(20), default="")
    last4: Mapped[str] = mapped_column(String(4), default="")
    exp_month: Mapped[int | None]
    exp_year: Mapped[int | None]
    cardholder: Mapped[str] = mapped_column(String(120), default="")
    address_country: Mapped[str] = mapped_column(String(2), default="")
    address_line: Mapped[str] = mapped_column(String(200), default="")
    address_city: Mapped[str] = mapped_column(String(120), default="")
    address_postcode: Mapped[str] = mapped_column(String(20), default="")
    payer_email: Mapped[str] = mapped_column(String(254), default="")

    failed_at: Mapped[datetime | None]
    """The processor's time of the last decline (F8)."""
    failure_code: Mapped[str | None] = mapped_column(String(60))
    suspended_until: Mapped[datetime | None]
    restored_at: Mapped[datetime | None]
    """Start of the payment that last restored the method; older failures are ignored (F8)."""
    blocked_at: Mapped[datetime | None]
    """When the method was blocked (F3); NULL if it is not."""
    declines_in_a_row: Mapped[int] = mapped_column(default=0)
    """Automatic declines since the last success (T16)."""

    gone_at: Mapped[datetime | None]
    """When the method was removed at the processor (M13)."""
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]

    @property
    def label(self) -> str:
        """ "Visa •••• 4242", "PayPal ana@example.com"; see `label_in`."""
        if self.kind == MethodKind.PAYPAL:
            return f"{PAYPAL} {self.payer_email}".strip()
        return f"{BRANDS.get(self.brand) or N_('Card')} •••• {self.last4}"

    @property
    def chip(self) -> str:
        """Brand of the logo beside the label, such as "visa"."""
        return "paypal" if self.kind == MethodKind.PAYPAL else self.brand

    @property
    def short_label(self) -> str:
        """Label with Amex instead of American Express."""
        return self.label.replace("American Express", "Amex")

    @property
    def expiry(self) -> str:
        """ "08/28"."""
        if self.exp_month is None or self.exp_year is None:
            return ""
        return f"{self.exp_month:02d}/{self.exp_year % 100:02d}"

    @property
    def expires_at(self) -> datetime | None:
        """When the expiry month has ended in every time zone: noon UTC on the next 1st (P4)."""
        if self.exp_month is None or self.exp_year is None:
            return None
        return _ended_everywhere(self.exp_year, self.exp_month)

    def days_left(self, now: datetime, time_zone: str) -> int | None:
        """Return the days until the last day of the expiry month, in the account's time zone."""
        if self.exp_month is None or self.exp_year is None:
            return None
        last = date(self.exp_year, self.exp_month, monthrange(self.exp_year, self.exp_month)[1])
        return (last - local(now, time_zone).date()).days

    def is_suspended(self, now: datetime) -> bool:
        """Return whether the suspension has not ended; computed from the stored time (F1)."""
        return self.suspended_until is not None and now < self.suspended_until

    def suspension(self, now: datetime) -> datetime | None:
        """Return the end of a suspension that applies now (F1).

        None if auto-charge is off: the suspension only applies to automatic billing.
        """
        return self.suspended_until if self.auto_charge and self.is_suspended(now) else None

    @property
    def is_gone(self) -> bool:
        return self.gone_at is not None

    @property
    def can_be_paid_with(self) -> bool:
        """Whether the customer can pay with it, also while it is out of automatic billing."""
        return self.removed_at is None and not self.is_gone

    @property
    def is_blocked(self) -> bool:
        return self.blocked_at is not None

    @property
    def needs_manual_retry(self) -> bool:
        return self.declines_in_a_row >= DECLINES_IN_A_ROW

    def standing(self, now: datetime) -> MethodStatus:
        if not self.auto_charge:
            return MethodStatus.AUTO_CHARGE_OFF
        return self.obstacle(now) or MethodStatus.READY

    def obstacle(self, now: datetime) -> MethodStatus | None:
        """Return what keeps the method out of automatic billing, apart from missing consent."""
        if self.is_gone:
            return MethodStatus.GONE
        if (expires_at := self.expires_at) is not None and now >= expires_at:
            return MethodStatus.EXPIRED
        if self.is_blocked:
            return MethodStatus.BARRED
        if self.needs_manual_retry:
            return MethodStatus.RESTED
        if self.is_suspended(now):
            return MethodStatus.SUSPENDED
        return None

    def is_chargeable(self, now: datetime) -> bool:
        return self.standing(now) is MethodStatus.READY

    def as_if(self, **changed: object) -> "PaymentMethod":
        """Return an unsaved copy with some values changed, for planning."""
        values = {column.key: getattr(self, column.key) for column in self.__table__.columns}
        return PaymentMethod(**values | changed)

    # Changes of a method.

    def consent(self, on: bool, now: datetime) -> None:
        if self.auto_charge != on:
            self.auto_charge = on
            self.auto_charge_changed_at = now

    def correct_clock(self, begins_at: datetime, now: datetime) -> None:
        """Move stored times that lie in the future, after the clock was set back, to `begins_at`.

        Called when a payment starts, which must be later than earlier events (F8). The end of the
        suspension is unchanged (F1).
        """
        if self.failed_at is not None and self.failed_at > now:
            self.failed_at = begins_at
        if self.restored_at is not None and self.restored_at > now:
            self.restored_at = begins_at

    def suspend(
        self,
        code: str,
        decline_class: DeclineClass,
        failed_at: datetime,
        *,
        automatic: bool,
        again_at: datetime | None = None,
    ) -> bool:
        """Suspend from automatic billing after a decline; returns whether it was usable before.

        The 48 hours run from the processor's time of the decline (F8). A decline older than the
        stored one does not change the suspension, and one before the last success is ignored.
        `again_at` is the network's earliest retry, used if it is later.
        """
        if self.restored_at is not None and failed_at < self.restored_at:
            return False
        was_out = self.is_suspended(failed_at) or self.is_blocked or self.needs_manual_retry
        if self.failed_at is None or failed_at >= self.failed_at:
            self.failed_at = failed_at
            self.failure_code = code
            until = failed_at + SUSPENSION
            self.suspended_until = max(until, again_at) if again_at else until
        if decline_class is DeclineClass.HARD and self.blocked_at is None:
            self.blocked_at = failed_at
        if automatic:
            self.declines_in_a_row += 1
        return not was_out

    def restore(self, started_at: datetime) -> bool:
        """Restore after a successful payment that was not started before the failure (F8).

        Returns whether this ended a suspension or block.
        """
        if self.failed_at is not None and started_at < self.failed_at:
            return False
        was_out = self.suspended_until is not None or self.is_blocked or self.needs_manual_retry
        self.restored_at = started_at
        self.suspended_until = None
        self.blocked_at = None
        self.declines_in_a_row = 0
        return was_out

    def lift_suspension(self, verified_at: datetime) -> bool:
        """End the suspension after a verification without payment (F4); returns if it did.

        The count of declines (T16) and a block (F3) remain, and a decline from before the
        verification that is learned later still takes effect (F8).
        """
        if self.suspended_until is None or self.failed_at is None or verified_at < self.failed_at:
            return False
        self.suspended_until = None
        return True

    def record_suspension_ended(self, now: datetime) -> bool:
        if self.suspended_until is None or self.is_suspended(now):
            return False
        self.suspended_until = None
        return True

    def mark_removed(self, at: datetime) -> bool:
        """Record that the processor removed the method; consent is unchanged (M3, M13)."""
        if self.gone_at is not None:
            return False
        self.gone_at = at
        return True

    def refresh(self, saved: Saved) -> None:
        """Update the details of a method that was added again (M8) or renewed by its bank (M13).

        A block remains, and the consent is unchanged.
        """
        self.processor_reference = saved.reference
        self.gone_at = None
        if isinstance(saved, SavedAgreement):
            self.payer_email = saved.payer_email
            return
        card = saved
        self.brand, self.last4 = card.brand, card.last4
        self.exp_month, self.exp_year = card.exp_month, card.exp_year
        self.cardholder = card.cardholder
        self.address_country, self.address_line = card.address_country, card.address_line
        self.address_city, self.address_postcode = card.address_city, card.address_postcode

    def take_over_failures(self, removed: "PaymentMethod") -> None:
        """Copy the failures of the same card's removed record, so that a block stays (F3, M12)."""
        self.failed_at, self.failure_code = removed.failed_at, removed.failure_code
        self.suspended_until, self.blocked_at = removed.suspended_until, removed.blocked_at
        self.declines_in_a_row = removed.declines_in_a_row
        self.restored_at = removed.restored_at

    def remove(self, now: datetime) -> None:
        """Remove from the list; the record stays for the history (M10)."""
        if self.removed_at is None:
            self.removed_at = now


def label_in(tongue: Translator, label: str) -> str:
    """Return a method's label in another language: "Karte •••• 4242"."""
    head, dots, digits = label.partition(" •••• ")
    return f"{tongue.gettext(head)}{dots}{digits}" if head else ""


@lru_cache(maxsize=512)
def _ended_everywhere(year: int, month: int) -> datetime:
    year, month = divmod(year * 12 + month, 12)
    return datetime(year, month + 1, 1, 12, tzinfo=UTC)


def suspension_has_ended(now: datetime) -> ColumnElement[bool]:
    """Return the condition for listed methods whose suspension has ended but is not recorded as
    ended (F6).
    """
    return and_(PaymentMethod.suspended_until <= now, PaymentMethod.removed_at.is_(None))


_LISTED = (
    select(PaymentMethod)
    .where(PaymentMethod.account_id == bindparam("account_id"), PaymentMethod.removed_at.is_(None))
    .order_by(PaymentMethod.position)
)


def listed(session: Session, account_id: int) -> list[PaymentMethod]:
    """The customer's list, in the customer's order (M2)."""
    return list(session.scalars(_LISTED, {"account_id": account_id}))


def with_reference(session: Session, processor: str, reference: str) -> PaymentMethod | None:
    """Return the listed method with this processor reference."""
    return session.scalar(
        select(PaymentMethod).where(
            PaymentMethod.processor == processor,
            PaymentMethod.processor_reference == reference,
            PaymentMethod.removed_at.is_(None),
        )
    )


_ONE_LISTED = select(PaymentMethod).where(
    PaymentMethod.id == bindparam("method_id"),
    PaymentMethod.account_id == bindparam("account_id"),
    PaymentMethod.removed_at.is_(None),
)


def find(session: Session, account_id: int, method_id: int) -> PaymentMethod:
    """Return the account's method. Raises `NotFound`, also for another account's method."""
    method = session.scalar(_ONE_LISTED, {"account_id": account_id, "method_id": method_id})
    if method is None:
        raise NotFound("That payment method")
    return method


def last_position(session: Session, account_id: int) -> int:
    return (
        session.scalar(
            select(func.max(PaymentMethod.position)).where(
                PaymentMethod.account_id == account_id, PaymentMethod.removed_at.is_(None)
            )
        )
        or 0
    )


def require_own(session: Session, account_id: int, ids: Collection[int]) -> None:
    """Raise `NotFound` unless all methods are or were this account's (P1)."""
    own = select(func.count()).where(
        PaymentMethod.account_id == account_id, PaymentMethod.id.in_(ids)
    )
    if session.scalar(own) != len(set(ids)):
        raise NotFound("A payment method")


def reorder(
    session: Session, methods: Sequence[PaymentMethod], order: Sequence[int], seen: Sequence[int]
) -> bool:
    """Reorder the listed methods; returns whether the order changed.

    Raises `Stale` if the list is no longer the one that the person saw (M5).
    """
    current = [method.id for method in methods]
    if list(seen) != current or sorted(order) != sorted(current):
        raise Stale("The list has changed meanwhile. This is the current order; nothing was moved.")
    if list(order) == current:
        return False
    place(session, {method.id: method for method in methods}, order)
    return True


def place(session: Session, by_id: dict[int, PaymentMethod], order: Sequence[int]) -> None:
    """Number the methods 1, 2, 3… in this order.

    Two passes, because positions of listed methods are unique at every moment.
    """
    for position, method_id in enumerate(order, start=1):
        by_id[method_id].position = -position
    session.flush()
    for position, method_id in enumerate(order, start=1):
        by_id[method_id].position = position
    session.flush()
