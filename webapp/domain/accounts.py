"""A customer's prepaid account."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.domain import money
from webapp.domain.base import Base, begin_writing
from webapp.domain.errors import NotFound


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    locale: Mapped[str] = mapped_column(String(20), default="en_US")
    time_zone: Mapped[str] = mapped_column(String(60), default="UTC")
    billing_emails: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Where notices go (N3); several are allowed."""
    balance: Mapped[int] = mapped_column(BigInteger, default=0)
    """Micros. Always the ledger's sum: the database refuses any other value (L2)."""
    paypal_allowed: Mapped[bool] = mapped_column(default=False)
    """The operator offers PayPal to this account (M11)."""
    paused_at: Mapped[datetime | None]
    """Automatic payments wait for a person to resume them (T10)."""
    resumed_at: Mapped[datetime | None]
    """The burst breaker counts from here: Resume starts an empty window (T10)."""
    all_failed_mailed: Mapped[bool] = mapped_column(default=False)
    """The mail that all methods failed has gone out; a success arms it again (F11)."""
    revision: Mapped[int] = mapped_column(default=0)
    """Grows with every change an open page should show."""
    created_at: Mapped[datetime]

    @classmethod
    def locked(cls, session: Session, account_id: int) -> "Account":
        """The account, its row locked in a fresh write transaction: the first line of an action.

        Raises `NotFound`.
        """
        begin_writing(session)
        account = session.scalar(
            select(cls).where(cls.id == account_id).with_for_update(),
            execution_options={"populate_existing": True},
        )
        if account is None:
            raise NotFound("The account")
        account.revision += 1
        return account

    def show(self, micros: int) -> str:
        """An amount as this account's people read it."""
        return money.show(micros, self.currency, self.locale)

    def pause(self, now: datetime) -> None:
        if self.paused_at is None:
            self.paused_at = now

    def resume(self, now: datetime) -> None:
        if self.paused_at is not None:
            self.paused_at = None
            self.resumed_at = now
