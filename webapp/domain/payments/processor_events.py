"""Processed events of processors, and how far missed webhooks have been caught up (L17)."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base

TROUBLE_LENGTH = 500


class ProcessorEvent(Base):
    """A processed event, so that a repeated delivery has no effect.

    Written in the transaction of the event's effect.
    """

    __tablename__ = "processor_event"
    __table_args__ = (
        Index("uq_processor_event_processor_event_id", "processor", "event_id", unique=True),
        Index("ix_processor_event_heard", "processor", "listed", "received_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    processor: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(120))
    about: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[datetime]
    listed: Mapped[bool] = mapped_column(default=False)
    """Found by listing, because its webhook was missed."""


class EventPosition(Base):
    """How far a processor's events have been listed and processed (L17)."""

    __tablename__ = "event_position"

    processor: Mapped[str] = mapped_column(String(20), primary_key=True)
    caught_up_to: Mapped[datetime]
    """All events before this time have been processed."""
    listed_to: Mapped[datetime]
    """Start of the next listing; later than `caught_up_to` if an event could not be processed."""
    trouble: Mapped[str] = mapped_column(String(TROUBLE_LENGTH), default="")
    """Why the last run did not process every event; empty if it did."""

    def has_listed(self, until: datetime, *, all_taken: bool) -> None:
        """Record a listing; `all_taken`: all listable events since `caught_up_to` are processed."""
        self.listed_to = until
        if all_taken:
            self.caught_up_to = max(self.caught_up_to, until)

    def start_again(self) -> None:
        """Make the next listing repeat the events that could not be processed."""
        self.listed_to = self.caught_up_to

    def tell(self, trouble: str) -> None:
        self.trouble = trouble[:TROUBLE_LENGTH]


def known(session: Session, processor: str, event_ids: Collection[str]) -> set[str]:
    """Return those event ids that have been processed."""
    query = select(ProcessorEvent.event_id).where(
        ProcessorEvent.processor == processor, ProcessorEvent.event_id.in_(event_ids)
    )
    return set(session.scalars(query))


def is_known(session: Session, processor: str, event_id: str) -> bool:
    return bool(known(session, processor, [event_id]))
