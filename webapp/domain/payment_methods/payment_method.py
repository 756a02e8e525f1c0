"""Cards and PayPal agreements: their order, the consent to charge them, and their standing."""

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
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.shared.datetimes import local
from webapp.domain.shared.errors import NotFound, Stale
from webapp.domain.shared.i18n import ENGLISH, Translator
from webapp.ports import DeclineClass, Saved, SavedAgreement

SUSPENSION = timedelta(hours=48)
"""F1: how long a failure keeps a method out of automatic billing."""

DECLINES_IN_A_ROW = 5
"""T16: after so many automatic declines without a success a method rests."""

EXPIRY_BADGE = timedelta(days=60)
"""How long before its expiry the row begins to count the days."""

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
    """Whether a method may be charged without asking, and if not, why not."""

    READY = "ready"
    AUTO_CHARGE_OFF = "auto_charge_off"
    GONE = "gone"
    """Removed at the processor, or its agreement cancelled there (M13)."""
    EXPIRED = "expired"
    BARRED = "barred"
    """A decline that the networks forbid repeating (F3)."""
    RESTED = "rested"
    """Too many automatic declines in a row (T16)."""
    SUSPENDED = "suspended"


class PaymentMethod(Base):
    __tablename__ = "payment_method"
    __table_args__ = (
        CheckConstraint("position <> 0", name="position_is_not_zero"),
        Index(
            "uq_payment_method_account_id_position",
            "account_id",
            "position",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
        # M8: one listed card per fingerprint.
        Index(
            "uq_payment_method_account_id_fingerprint",
            "account_id",
            "fingerprint",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index("ix_payment_method_processor_reference", "processor", "processor_reference"),
        # Partial, so that the job that records ended suspensions reads only those there are.
        Index(
            "ix_payment_method_suspended_until",
            "suspended_until",
            sqlite_where=text("suspended_until IS NOT NULL"),
            postgresql_where=text("suspended_until IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[MethodKind] = mapped_column(String(10), default=MethodKind.CARD)
    processor: Mapped[str] = mapped_column(String(20))
    processor_reference: Mapped[str] = mapped_column(String(120))
    fingerprint: Mapped[str] = mapped_column(String(120))
    position: Mapped[int]
    """1 is the primary (M2). Below zero only inside a reordering transaction."""
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
    """The processor's own time of the last decline (F8)."""
    failure_code: Mapped[str | None] = mapped_column(String(60))
    suspended_until: Mapped[datetime | None]
    healed_at: Mapped[datetime | None]
    """When the success that last restored it was started: an older failure is news no more."""
    barred_at: Mapped[datetime | None]
    declines_in_a_row: Mapped[int] = mapped_column(default=0)
    """Automatic ones since the last success (T16)."""

    gone_at: Mapped[datetime | None]
    """Since when the processor no longer has it (M13)."""
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]

    @property
    def label(self) -> str:
        return self.label_in(ENGLISH)

    def label_in(self, tongue: Translator) -> str:
        if self.kind == MethodKind.PAYPAL:
            return f"PayPal {self.payer_email}"
        return f"{BRANDS.get(self.brand) or tongue.gettext('Card')} •••• {self.last4}"

    @property
    def chip(self) -> str:
        """The brand whose mark stands before its name, such as "visa"."""
        return "paypal" if self.kind == MethodKind.PAYPAL else self.brand

    @property
    def short_label(self) -> str:
        """Where room is scarce: American Express is Amex."""
        return self.label.replace("American Express", "Amex")

    @property
    def expiry(self) -> str:
        """ "08/28"."""
        if self.exp_month is None or self.exp_year is None:
            return ""
        return f"{self.exp_month:02d}/{self.exp_year % 100:02d}"

    @property
    def expires_at(self) -> datetime | None:
        """When the expiry month has ended everywhere on earth (P4): noon UTC on the next 1st."""
        if self.exp_month is None or self.exp_year is None:
            return None
        return _ended_everywhere(self.exp_year, self.exp_month)

    def is_expired(self, now: datetime) -> bool:
        expires_at = self.expires_at
        return expires_at is not None and now >= expires_at

    def days_left(self, now: datetime, time_zone: str) -> int | None:
        """Whole days until the last day of its expiry month, in the account's time zone."""
        if self.exp_month is None or self.exp_year is None:
            return None
        last = date(self.exp_year, self.exp_month, monthrange(self.exp_year, self.exp_month)[1])
        return (last - local(now, time_zone).date()).days

    def is_suspended(self, now: datetime) -> bool:
        """The truth is computed from the stored time; the job only records it (F1)."""
        return self.suspended_until is not None and now < self.suspended_until

    def suspension(self, now: datetime) -> datetime | None:
        """F1: until when auto-charge leaves it out. None where auto-charge is off: the stored time
        means nothing before the customer switches it on.
        """
        return self.suspended_until if self.auto_charge and self.is_suspended(now) else None

    @property
    def is_gone(self) -> bool:
        return self.gone_at is not None

    @property
    def can_be_paid_with(self) -> bool:
        """By its customer, whatever keeps it out of automatic billing."""
        return self.removed_at is None and not self.is_gone

    @property
    def is_blocked(self) -> bool:
        return self.barred_at is not None

    @property
    def needs_manual_retry(self) -> bool:
        return self.declines_in_a_row >= DECLINES_IN_A_ROW

    def standing(self, now: datetime) -> MethodStatus:
        if not self.auto_charge:
            return MethodStatus.AUTO_CHARGE_OFF
        return self.obstacle(now) or MethodStatus.READY

    def obstacle(self, now: datetime) -> MethodStatus | None:
        """What, apart from missing consent, keeps it out of automatic billing."""
        if self.is_gone:
            return MethodStatus.GONE
        if self.is_expired(now):
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
        """A copy with some values changed, for a plan of what would follow. It is never saved."""
        values = {column.key: getattr(self, column.key) for column in self.__table__.columns}
        return PaymentMethod(**values | changed)

    # What may happen to a method. Each verb is safe to call twice.

    def consent(self, on: bool, now: datetime) -> None:
        if self.auto_charge != on:
            self.auto_charge = on
            self.auto_charge_changed_at = now

    def correct_clock(self, begins_at: datetime, now: datetime) -> None:
        """Something begins with it. What is stamped ahead of now came before that, by a clock that
        was set back since; the 48 hours stay as they were promised (F1, F8).
        """
        if self.failed_at is not None and self.failed_at > now:
            self.failed_at = begins_at
        if self.healed_at is not None and self.healed_at > now:
            self.healed_at = begins_at

    def suspend(
        self,
        code: str,
        decline_class: DeclineClass,
        failed_at: datetime,
        *,
        automatic: bool,
        again_at: datetime | None = None,
    ) -> bool:
        """Keep out of automatic billing after a decline. True if it was not suspended before.

        The 48 hours run from the processor's time of the decline, however late it is learned;
        an older failure that is learned later shortens nothing, and one from before the success
        that healed it suspends nothing. `again_at` is the network's advice, where it is longer.
        """
        if self.healed_at is not None and failed_at < self.healed_at:
            return False
        was_out = self.is_suspended(failed_at) or self.is_blocked or self.needs_manual_retry
        if self.failed_at is None or failed_at >= self.failed_at:
            self.failed_at = failed_at
            self.failure_code = code
            until = failed_at + SUSPENSION
            self.suspended_until = max(until, again_at) if again_at else until
        if decline_class is DeclineClass.HARD and self.barred_at is None:
            self.barred_at = failed_at
        if automatic:
            self.declines_in_a_row += 1
        return not was_out

    def restore(self, started_at: datetime) -> bool:
        """A success with it restores it, if the payment was not started before the failure (F8).

        True if that ended a suspension or a bar.
        """
        if self.failed_at is not None and started_at < self.failed_at:
            return False
        was_out = self.suspended_until is not None or self.is_blocked or self.needs_manual_retry
        self.healed_at = started_at
        self.suspended_until = None
        self.barred_at = None
        self.declines_in_a_row = 0
        return was_out

    def lift_suspension(self, verified_at: datetime) -> bool:
        """The bank vouches for it without a payment: that ends a suspension, and nothing else (F4).

        What has been declined goes on counting (T16), and a decline from before that is learned
        later still has its effect (F3, F8). True if it was suspended.
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
        """The processor no longer has it. The consent stays as it is (M3, M13)."""
        if self.gone_at is not None:
            return False
        self.gone_at = at
        return True

    def refresh(self, saved: Saved) -> None:
        """Added again (M8), or renewed by its bank (M13): take over what may have changed.

        No bar is lifted, and the consent stays as it is.
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
        """What this card's removed row knew: the networks' ban is on the card (F3, M12)."""
        self.failed_at, self.failure_code = removed.failed_at, removed.failure_code
        self.suspended_until, self.barred_at = removed.suspended_until, removed.barred_at
        self.declines_in_a_row = removed.declines_in_a_row
        self.healed_at = removed.healed_at

    def remove(self, now: datetime) -> None:
        """Off the list; the row stays, so that history stays readable (M10)."""
        if self.removed_at is None:
            self.removed_at = now


@lru_cache(maxsize=512)
def _ended_everywhere(year: int, month: int) -> datetime:
    year, month = divmod(year * 12 + month, 12)
    return datetime(year, month + 1, 1, 12, tzinfo=UTC)


def suspension_has_ended(now: datetime) -> ColumnElement[bool]:
    """Of a listed method; its end has not been recorded yet (F6)."""
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
    """The listed method that the processor knows by it."""
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
    """Finding it is the permission check: another account's method is not found."""
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
    """Raises `NotFound` unless all are, or were, this account's (P1)."""
    own = select(func.count()).where(
        PaymentMethod.account_id == account_id, PaymentMethod.id.in_(ids)
    )
    if session.scalar(own) != len(set(ids)):
        raise NotFound("A payment method")


def reorder(
    session: Session, methods: Sequence[PaymentMethod], order: Sequence[int], seen: Sequence[int]
) -> bool:
    """Put the listed methods into a new order. True if that changed it.

    Raises `Stale` when the list is no longer the one the person saw (M5).
    """
    current = [method.id for method in methods]
    if list(seen) != current or sorted(order) != sorted(current):
        raise Stale("The list has changed meanwhile. Here is how it stands now; nothing was moved.")
    if list(order) == current:
        return False
    place(session, {method.id: method for method in methods}, order)
    return True


def place(session: Session, by_id: dict[int, PaymentMethod], order: Sequence[int]) -> None:
    """Number the methods 1, 2, 3… in this order.

    Two passes, because the database lets no two listed methods share a position at any moment.
    """
    for position, method_id in enumerate(order, start=1):
        by_id[method_id].position = -position
    session.flush()
    for position, method_id in enumerate(order, start=1):
        by_id[method_id].position = position
    session.flush()
