"""Erasures of the personal data of closed accounts."""

from datetime import datetime

from sqlalchemy import ForeignKey, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.shared.errors import Denied

NAME = "Erased account"
"""Name of an account whose personal data is erased."""

RECEIPT_YEARS = 10
"""Default number of calendar years, after that of its issue, for which a receipt is kept."""


class Erasure(Base):
    """One erasure, in one transaction.

    While it has no end, triggers let descriptions in the ledger be emptied and facts of events be
    left out. Other transactions never see it without an end.
    """

    __tablename__ = "erasure"
    __table_args__ = (partial_index("ix_erasure_open", "id", where="ended_at IS NULL"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    kept_until: Mapped[datetime | None]
    """When the last document that is still kept can be erased; NULL if none is kept."""


def is_erased(session: Session, account_id: int) -> bool:
    """Return whether an erasure of the account has ended."""
    ended = exists().where(Erasure.account_id == account_id, Erasure.ended_at.is_not(None))
    return bool(session.scalar(select(ended)))


def require_not_erased(session: Session, account_id: int) -> None:
    """Raise `Denied` if the account's personal data is erased: none may be added again (V4)."""
    if is_erased(session, account_id):
        raise Denied("Its personal data is erased. Create another account.", code="account_closed")


def document_ends(issued_at: datetime, years: int) -> datetime:
    """Return when a document need not be kept any more: after whole calendar years, in UTC."""
    return issued_at.replace(
        year=issued_at.year + 1 + years, month=1, day=1, hour=0, minute=0, second=0, microsecond=0
    )
