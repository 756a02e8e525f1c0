"""Reversals of posted usage: credits that name what they give back (L16)."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.shared.texts import REASON_LENGTH
from webapp.domain.usage.record import REFERENCE_LENGTH


class UsageReversal(Base):
    __tablename__ = "usage_reversal"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_above_zero"),
        # Once per reference.
        Index("uq_usage_reversal_account_id_reference", "account_id", "reference", unique=True),
        Index("ix_usage_reversal_account_id_usage_reference", "account_id", "usage_reference"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reference: Mapped[str] = mapped_column(String(REFERENCE_LENGTH))
    """The provider's reference of the reversal."""
    usage_reference: Mapped[str] = mapped_column(String(REFERENCE_LENGTH))
    """The reference of the usage."""
    usage_posted_at: Mapped[datetime]
    """When the usage was posted: that day's usage is less by the reversal."""
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros, above zero."""
    reason: Mapped[str] = mapped_column(String(REASON_LENGTH))
    reversed_at: Mapped[datetime]

    @property
    def description(self) -> str:
        """Description on the statement."""
        return f"Reversal of {self.usage_reference}: {self.reason}"


def by_reference(session: Session, account_id: int, reference: str) -> UsageReversal | None:
    mine = (UsageReversal.account_id == account_id, UsageReversal.reference == reference)
    return session.scalar(select(UsageReversal).where(*mine))


def reversed_of(session: Session, account_id: int, usage_reference: str) -> int:
    """Return the micros of the usage that have been reversed."""
    total = select(func.coalesce(func.sum(UsageReversal.amount), 0)).where(
        UsageReversal.account_id == account_id, UsageReversal.usage_reference == usage_reference
    )
    return int(session.scalar(total) or 0)
