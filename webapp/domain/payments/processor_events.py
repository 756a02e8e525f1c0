"""What processors have told, and how far it has been caught up where their webhooks were missed."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base

TROUBLE_LENGTH = 500


class ProcessorEvent(Base):
    """Known by its own id: a repeated delivery repeats nothing.

    Written in the transaction of its effect.
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
    """Found by listing: its webhook was missed."""


class EventPosition(Base):
    """How far a processor's events have been listed and taken (L17)."""

    __tablename__ = "event_position"

    processor: Mapped[str] = mapped_column(String(20), primary_key=True)
    caught_up_to: Mapped[datetime]
    """Every event from before has been taken."""
    listed_to: Mapped[datetime]
    """Where listing goes on. It is later where an event from before could not be taken."""
    trouble: Mapped[str] = mapped_column(String(TROUBLE_LENGTH), default="")
    """Why the last run did not take everything; empty where it did."""

    def has_listed(self, until: datetime, *, all_taken: bool) -> None:
        """`all_taken`: every event from `caught_up_to` on, as far as it can be listed."""
        self.listed_to = until
        if all_taken:
            self.caught_up_to = max(self.caught_up_to, until)

    def start_again(self) -> None:
        """List once more what could not be taken."""
        self.listed_to = self.caught_up_to

    def tell(self, trouble: str) -> None:
        self.trouble = trouble[:TROUBLE_LENGTH]


def known(session: Session, processor: str, event_ids: Collection[str]) -> set[str]:
    """Which of these have been taken."""
    query = select(ProcessorEvent.event_id).where(
        ProcessorEvent.processor == processor, ProcessorEvent.event_id.in_(event_ids)
    )
    return set(session.scalars(query))


def is_known(session: Session, processor: str, event_id: str) -> bool:
    return bool(known(session, processor, [event_id]))
