"""Processor events that match no attempt, for the operator to resolve (L9).

Mismatches of an existing attempt are stored on the attempt. These are payments that Ballast did
not make, and reversals of payments that it does not know.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, NotFound

WHAT_LENGTH = 500


class UnmatchedEvent(Base):
    __tablename__ = "unmatched_event"
    __table_args__ = (
        Index("uq_unmatched_event_processor_reference", "processor", "reference", unique=True),
        partial_index("ix_unmatched_event_open", "id", where="closed_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    processor: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120))
    """The processor's reference; a repeated report is stored once."""
    what: Mapped[str] = mapped_column(String(WHAT_LENGTH))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros, as reported by the processor."""
    currency: Mapped[str] = mapped_column(String(3))
    at: Mapped[datetime]
    seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[str] = mapped_column(String(WHAT_LENGTH), default="")

    def close(self, reason: str, now: datetime) -> None:
        """Close the event. Raises `Invalid` without a reason, or `Conflict` if it is closed."""
        if not (reason := " ".join(reason.split())):
            raise Invalid({"reason": "Enter the result of your check"})
        if self.closed_at is not None:
            raise Conflict("This event is already closed.", code="closed")
        self.closed_at, self.closed_because = now, reason[:WHAT_LENGTH]


def record(
    ctx: Context,
    processor: str,
    reference: str,
    what: str,
    amount: int,
    currency: str,
    at: datetime,
) -> bool:
    """Report an event to the operator; returns False if it was reported before."""
    known = exists().where(
        UnmatchedEvent.processor == processor, UnmatchedEvent.reference == reference
    )
    if ctx.session.scalar(select(known)):
        return False
    ctx.session.add(
        UnmatchedEvent(
            processor=processor,
            reference=reference,
            what=what[:WHAT_LENGTH],
            amount=amount,
            currency=currency,
            at=at,
            seen_at=ctx.now,
        )
    )
    ctx.session.flush()
    return True


def by_reference(session: Session, processor: str, reference: str) -> UnmatchedEvent | None:
    return session.scalar(
        select(UnmatchedEvent).where(
            UnmatchedEvent.processor == processor, UnmatchedEvent.reference == reference
        )
    )


def waiting(session: Session) -> list[UnmatchedEvent]:
    """Return the events that are not closed yet, oldest first."""
    return list(
        session.scalars(
            select(UnmatchedEvent)
            .where(UnmatchedEvent.closed_at.is_(None))
            .order_by(UnmatchedEvent.id)
        )
    )


def find(session: Session, evidence_id: int) -> UnmatchedEvent:
    """Return an unmatched event. Raises `NotFound`."""
    found = session.get(UnmatchedEvent, evidence_id)
    if found is None:
        raise NotFound("The unmatched event")
    return found
