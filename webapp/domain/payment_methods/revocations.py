"""Method references to revoke at the processor, retried until done (M10, M13)."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.payments.payment import OPEN_STATES, Attempt
from webapp.domain.shared.context import Context


class Revocation(Base):
    __tablename__ = "revocation"
    __table_args__ = (partial_index("ix_revocation_due", "id", where="done_at IS NULL"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    processor: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120))
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


def ask(ctx: Context, account_id: int, processor: str, reference: str) -> None:
    """Request the revocation of a reference that is no longer used."""
    ctx.session.add(
        Revocation(
            account_id=account_id, processor=processor, reference=reference, asked_at=ctx.now
        )
    )


def references_of(session: Session, account_id: int) -> list[str]:
    """Return all references of the account that were or are to be revoked."""
    return [
        *session.scalars(select(Revocation.reference).where(Revocation.account_id == account_id))
    ]


def due(session: Session) -> list[Revocation]:
    """Return the pending revocations whose reference is not used by an open attempt."""
    needed = exists().where(
        Attempt.account_id == Revocation.account_id,
        Attempt.method_reference == Revocation.reference,
        Attempt.state.in_(OPEN_STATES),
    )
    return list(session.scalars(select(Revocation).where(Revocation.done_at.is_(None), ~needed)))
