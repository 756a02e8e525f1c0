"""Deliveries from processors, each known by its own id: a repeated one repeats nothing."""

from datetime import datetime

from sqlalchemy import Index, String, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.domain.base import Base


class ProcessorEvent(Base):
    """Written in the transaction of its effect."""

    __tablename__ = "processor_event"
    __table_args__ = (
        Index("uq_processor_event_processor_event_id", "processor", "event_id", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    processor: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(120))
    about: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[datetime]


def is_known(session: Session, processor: str, event_id: str) -> bool:
    known = exists().where(
        ProcessorEvent.processor == processor, ProcessorEvent.event_id == event_id
    )
    return bool(session.scalar(select(known)))
