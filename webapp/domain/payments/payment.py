"""Payments: each is the wish to move an amount once.

What is done for it are its attempts, see `attempts.py`. The database allows it one that has or may
have taken money, so no payment can be charged to two methods.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.base import Base
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.i18n import N_

if TYPE_CHECKING:
    from webapp.domain.payments.attempts import Attempt

CHAIN_LIFE = timedelta(minutes=15)
"""How long a person's chain goes on to its next method; after that nobody expects a charge."""

NOTE_LENGTH = 500


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


class Payment(Base):
    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        # One payment per top-up, and one per pressed button however often it is pressed.
        Index("uq_payment_top_up_id", "top_up_id", unique=True),
        Index("uq_payment_account_id_request_key", "account_id", "request_key", unique=True),
        Index("ix_payment_account_id_id", "account_id", "id"),
        Index(
            "ix_payment_open",
            "account_id",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        # Few have a note, and who searches them looks at no others.
        Index(
            "ix_payment_noted",
            "account_id",
            sqlite_where=text("note <> ''"),
            postgresql_where=text("note <> ''"),
        ),
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
    """Made with the form; a form sent twice finds its payment here."""
    note: Mapped[str] = mapped_column(String(NOTE_LENGTH), default="")
    """An adjustment's reason."""
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]

    attempts: Mapped[list["Attempt"]] = relationship(
        back_populates="payment", order_by="Attempt.id"
    )

    @property
    def is_automatic(self) -> bool:
        """Nobody is there: the chain of T6 and T7, off-session, under the limits."""
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
        """Money that arrives after all counts, whatever was thought before."""
        if self.state == PaymentState.OPEN or state == PaymentState.PAID:
            self.state = state
            self.settled_at = now

    @staticmethod
    def by_request_key(session: Session, account_id: int, key: str) -> "Payment | None":
        return session.scalar(
            select(Payment).where(Payment.account_id == account_id, Payment.request_key == key)
        )


def reference_of(payment_id: int) -> str:
    """What a person quotes when asking about it."""
    return f"P-{payment_id:06d}"


def find_payment(session: Session, account_id: int, payment_id: int) -> Payment:
    """Finding it is the permission check. Raises `NotFound`."""
    payment = session.scalar(
        select(Payment).where(Payment.id == payment_id, Payment.account_id == account_id)
    )
    if payment is None:
        raise NotFound("That payment")
    return payment


COVER_BATCH = 500
"""Paid payments that are read at once: more than the largest payment has of the smallest."""


def covered_later(
    session: Session, account_id: int, failed: Mapping[int, tuple[int, int]]
) -> dict[int, int]:
    """F4: which later payment has covered each failed one.

    `failed`: payment id and amount by any key. The answer names, by the same keys, the payment with
    which those paid after it reached its amount; a key without one is not covered.
    """
    covered: dict[int, int] = {}
    left = sorted(failed, key=lambda key: failed[key][0])
    while left:
        first = failed[left[0]][0]
        paid = session.execute(
            select(Payment.id, Payment.amount)
            .where(
                Payment.account_id == account_id,
                Payment.id > first,
                Payment.state == PaymentState.PAID,
                Payment.kind.in_(BRINGS_MONEY),
            )
            .order_by(Payment.id)
            .limit(COVER_BATCH)
        ).all()
        for key in left:
            payment_id, missing = failed[key]
            for paid_id, amount in paid:
                missing -= amount if paid_id > payment_id else 0
                if missing <= 0:
                    covered[key] = paid_id
                    break
        left = [key for key in left[1:] if key not in covered] if len(paid) == COVER_BATCH else []
    return covered
