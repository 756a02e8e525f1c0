"""The processors' last events, and how far missed events are caught up (L17)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from webapp.domain.payments.processor_events import EventPosition, ProcessorEvent
from webapp.domain.shared.context import Context
from webapp.ports import ListsEvents

BEHIND = timedelta(hours=3)
"""Events are listed every hour; a longer delay means that listing fails."""


@dataclass(frozen=True)
class EventStatus:
    processor: str
    last_event_at: datetime | None
    """When the last event was received, by webhook or by listing."""
    missed: int
    """Events found by listing since the last webhook."""
    caught_up_to: datetime | None
    """None before the first run."""
    trouble: str
    """Why the last run was incomplete."""
    seconds_behind: float

    @property
    def is_behind(self) -> bool:
        return self.seconds_behind > BEHIND.total_seconds()

    @property
    def is_right(self) -> bool:
        return not (self.missed or self.trouble or self.is_behind)

    @property
    def last_event(self) -> str:
        if self.last_event_at is None:
            return f"No event from {self.processor} received yet"
        return f"Last event from {self.processor} received {_time(self.last_event_at)}"

    @property
    def caught_up(self) -> str:
        """How far events are caught up, with the reason if the last run was incomplete."""
        if self.caught_up_to is None:
            return "not caught up yet"
        until = f"caught up to {_time(self.caught_up_to)}"
        return f"{until}: {self.trouble}" if self.trouble else until

    @property
    def missed_by_webhook(self) -> str:
        events = f"{self.missed:,} event{'s' if self.missed > 1 else ''}"
        return f"{events} found by listing since the last webhook" if self.missed else ""

    @property
    def sentence(self) -> str:
        return "; ".join(filter(None, (self.last_event, self.missed_by_webhook, self.caught_up)))


def read_event_statuses(ctx: Context) -> Sequence[EventStatus]:
    """Read the status of every processor that can list its events."""
    return [
        read_event_status(ctx, name)
        for name, processor in ctx.processors.items()
        if isinstance(processor, ListsEvents)
    ]


def read_event_status(ctx: Context, name: str) -> EventStatus:
    last = select(func.max(ProcessorEvent.received_at)).where(ProcessorEvent.processor == name)
    by_webhook = ctx.session.scalar(last.where(ProcessorEvent.listed.is_(False)))
    by_list = ctx.session.scalar(last.where(ProcessorEvent.listed.is_(True)))
    missed = select(func.count()).where(
        ProcessorEvent.processor == name, ProcessorEvent.listed.is_(True)
    )
    if by_webhook is not None:
        missed = missed.where(ProcessorEvent.received_at > by_webhook)
    position = ctx.session.get(EventPosition, name)
    behind = ctx.now - position.caught_up_to if position else timedelta()
    return EventStatus(
        processor=name,
        last_event_at=max(filter(None, (by_webhook, by_list)), default=None),
        missed=ctx.session.scalar(missed) or 0,
        caught_up_to=position.caught_up_to if position else None,
        trouble=position.trouble if position else "",
        seconds_behind=max(0.0, behind.total_seconds()),
    )


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
