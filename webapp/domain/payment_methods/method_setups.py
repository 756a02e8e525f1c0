"""Setups of payment methods that wait for the customer's answer to the bank or PayPal (M6).

A setup stores only what is needed to query its outcome and to cancel it in time (F9). If it fails
or is abandoned, there is no method, payment or suspension.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.payment_methods.payment_method import MethodKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound

SETUP_LIFE = timedelta(minutes=15)
"""F9: a setup that is open for this long is cancelled at the processor."""

FORGOTTEN = timedelta(days=1)
"""After this time without an answer, the processor is assumed to have dropped the setup."""


class SetupState(StrEnum):
    OPEN = "open"
    SAVED = "saved"
    FAILED = "failed"
    ABANDONED = "abandoned"


class MethodSetup(Base):
    __tablename__ = "method_setup"
    __table_args__ = (partial_index("ix_method_setup_open", "started_at", where="state = 'open'"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[MethodKind] = mapped_column(String(10))
    processor: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120), unique=True)
    consent: Mapped[bool | None]
    """The customer's choice of auto-charge; NULL: the default of M3 and M4 applies (M12)."""
    confirmed: Mapped[int | None] = mapped_column(BigInteger)
    """Micros that the form announced to charge at once (T18); NULL if no form was shown."""
    state: Mapped[SetupState] = mapped_column(String(10), default=SetupState.OPEN)
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payment_method.id"))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def end(self, state: SetupState, now: datetime) -> None:
        if self.state == SetupState.OPEN:
            self.state = state
            self.ended_at = now


def find(session: Session, account_id: int, setup_id: int) -> MethodSetup:
    """Return the account's setup. Raises `NotFound`, also for another account's setup."""
    setup = session.scalar(
        select(MethodSetup).where(MethodSetup.id == setup_id, MethodSetup.account_id == account_id)
    )
    if setup is None:
        raise NotFound("That payment method")
    return setup


def with_reference(session: Session, account_id: int, reference: str) -> MethodSetup | None:
    return session.scalar(
        select(MethodSetup).where(
            MethodSetup.account_id == account_id, MethodSetup.reference == reference
        )
    )


def latest_open(session: Session, account_id: int, user_id: int) -> MethodSetup | None:
    """Return the person's latest open setup, which the return from the bank belongs to."""
    return session.scalar(
        select(MethodSetup)
        .where(
            MethodSetup.account_id == account_id,
            MethodSetup.user_id == user_id,
            MethodSetup.state == SetupState.OPEN,
        )
        .order_by(MethodSetup.id.desc())
        .limit(1)
    )


def overdue(ctx: Context) -> list[MethodSetup]:
    return list(
        ctx.session.scalars(
            select(MethodSetup).where(
                MethodSetup.state == SetupState.OPEN, MethodSetup.started_at <= ctx.now - SETUP_LIFE
            )
        )
    )
