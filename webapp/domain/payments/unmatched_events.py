"""What a processor says that fits nothing we wrote: it goes before the operator (L9).

What is said about an attempt of ours stands on that attempt. This is the rest: payments that we
never wrote, and money taken back from what was never paid here.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, exists, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.shared.errors import Conflict, Invalid, NotFound

WHAT_LENGTH = 500


class UnmatchedEvent(Base):
    __tablename__ = "evidence"
    __table_args__ = (
        Index("uq_evidence_processor_reference", "processor", "reference", unique=True),
        Index(
            "ix_evidence_open",
            "id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    processor: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120))
    """The processor's: said again, it is the same evidence."""
    what: Mapped[str] = mapped_column(String(WHAT_LENGTH))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros, as the processor says."""
    currency: Mapped[str] = mapped_column(String(3))
    at: Mapped[datetime]
    seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[str] = mapped_column(String(WHAT_LENGTH), default="")

    def close(self, reason: str, now: datetime) -> None:
        """Raises `Invalid` without a reason, or `Conflict` if that was done before."""
        if not (reason := " ".join(reason.split())):
            raise Invalid({"reason": "Say what was found"})
        if self.closed_at is not None:
            raise Conflict("That was closed before.", code="closed")
        self.closed_at, self.closed_because = now, reason[:WHAT_LENGTH]


def record(
    session: Session,
    processor: str,
    reference: str,
    what: str,
    amount: int,
    currency: str,
    at: datetime,
    now: datetime,
) -> bool:
    """Lay it before the operator, once. False if it lies there already, or did."""
    known = exists().where(
        UnmatchedEvent.processor == processor, UnmatchedEvent.reference == reference
    )
    if session.scalar(select(known)):
        return False
    session.add(
        UnmatchedEvent(
            processor=processor,
            reference=reference,
            what=what[:WHAT_LENGTH],
            amount=amount,
            currency=currency,
            at=at,
            seen_at=now,
        )
    )
    session.flush()
    return True


def by_reference(session: Session, processor: str, reference: str) -> UnmatchedEvent | None:
    return session.scalar(
        select(UnmatchedEvent).where(
            UnmatchedEvent.processor == processor, UnmatchedEvent.reference == reference
        )
    )


def waiting(session: Session) -> list[UnmatchedEvent]:
    """What no operator has closed yet, the oldest first."""
    return list(
        session.scalars(
            select(UnmatchedEvent)
            .where(UnmatchedEvent.closed_at.is_(None))
            .order_by(UnmatchedEvent.id)
        )
    )


def find(session: Session, evidence_id: int) -> UnmatchedEvent:
    """Raises `NotFound`."""
    found = session.get(UnmatchedEvent, evidence_id)
    if found is None:
        raise NotFound("That evidence")
    return found
