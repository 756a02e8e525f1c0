"""When the processors were last heard, and how far their events are caught up (L17)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.domain.payments.processor_events import EventPosition, ProcessorEvent
from webapp.ports import ListsEvents, Processors

BEHIND = timedelta(hours=3)
"""Events are caught up every hour; after that something stands in the way."""


@dataclass(frozen=True)
class Hearing:
    processor: str
    last_event_at: datetime | None
    """When the last event was taken, by a webhook or from a list."""
    missed: int
    """Events that were found by listing since a webhook last told one."""
    caught_up_to: datetime | None
    """None before the first run."""
    trouble: str
    """Why the last run did not take everything."""
    seconds_behind: float

    @property
    def is_behind(self) -> bool:
        return self.seconds_behind > BEHIND.total_seconds()

    @property
    def is_right(self) -> bool:
        return not (self.missed or self.trouble or self.is_behind)

    @property
    def heard(self) -> str:
        if self.last_event_at is None:
            return f"No event of {self.processor} heard yet"
        return f"Last event of {self.processor} heard {_time(self.last_event_at)}"

    @property
    def caught_up(self) -> str:
        """With what stands in the way."""
        if self.caught_up_to is None:
            return "not caught up yet"
        until = f"caught up to {_time(self.caught_up_to)}"
        return f"{until}: {self.trouble}" if self.trouble else until

    @property
    def told_by_no_webhook(self) -> str:
        events = f"{self.missed:,} event{'s' if self.missed > 1 else ''}"
        return f"{events} found by listing since the last webhook" if self.missed else ""

    @property
    def sentence(self) -> str:
        return "; ".join(filter(None, (self.heard, self.told_by_no_webhook, self.caught_up)))


def read_hearings(session: Session, processors: Processors, now: datetime) -> Sequence[Hearing]:
    """Of the processors that list their events."""
    return [
        read_hearing(session, name, now)
        for name, processor in processors.items()
        if isinstance(processor, ListsEvents)
    ]


def read_hearing(session: Session, name: str, now: datetime) -> Hearing:
    told = select(func.max(ProcessorEvent.received_at)).where(ProcessorEvent.processor == name)
    by_webhook = session.scalar(told.where(ProcessorEvent.listed.is_(False)))
    by_list = session.scalar(told.where(ProcessorEvent.listed.is_(True)))
    missed = select(func.count()).where(
        ProcessorEvent.processor == name, ProcessorEvent.listed.is_(True)
    )
    if by_webhook is not None:
        missed = missed.where(ProcessorEvent.received_at > by_webhook)
    position = session.get(EventPosition, name)
    behind = now - position.caught_up_to if position else timedelta()
    return Hearing(
        processor=name,
        last_event_at=max(filter(None, (by_webhook, by_list)), default=None),
        missed=session.scalar(missed) or 0,
        caught_up_to=position.caught_up_to if position else None,
        trouble=position.trouble if position else "",
        seconds_behind=max(0.0, behind.total_seconds()),
    )


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
