"""Overdue work: counts and ages of charges, refills, events and emails that wait too long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from webapp.domain.ledger import LedgerEntry
from webapp.domain.notifications.outbox import Notice, NoticeState
from webapp.domain.payments.payment import OPEN_STATES, Attempt, AttemptState
from webapp.domain.payments.unmatched_events import UnmatchedEvent
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.top_up import TopUp, TopUpState

UNANSWERED = timedelta(minutes=1)
"""A processor answers within 30 seconds; after twice that the answer is lost."""

UNSENT = timedelta(minutes=5)
NOT_STARTED = timedelta(minutes=2)
"""A charge starts within a second (T4), and the sweep runs every minute."""


@dataclass(frozen=True)
class Waiting:
    count: int
    seconds: float
    """Age of the oldest item; 0 without items."""


@dataclass(frozen=True)
class Backlog:
    unanswered: Waiting
    """Charges without an answer from the processor."""
    unresolved: Waiting
    """Charges that only an operator can resolve (L10)."""
    unmatched: Waiting
    """Processor events that Ballast cannot match to a payment (L9)."""
    not_started: Waiting
    """Top-ups that no worker has started."""
    unsent: Waiting
    """Emails."""
    clock_behind: float
    """Seconds by which the newest row is in the future; 0 if the clock is right."""


def read_backlog(ctx: Context) -> Backlog:
    """Read the backlog; apart from the newest rows, partial indexes keep this cheap at any size."""
    lost = or_(
        Attempt.state.in_((AttemptState.UNKNOWN, AttemptState.REFUSED)),
        (Attempt.state == AttemptState.STARTED) & (Attempt.started_at < ctx.now - UNANSWERED),
    )
    started = exists().where(Attempt.account_id == TopUp.account_id, Attempt.state.in_(OPEN_STATES))
    return Backlog(
        unanswered=_waiting(ctx, Attempt.started_at, lost, ~Attempt.needs_operator),
        unresolved=_waiting(ctx, Attempt.started_at, Attempt.needs_operator),
        unmatched=_waiting(ctx, UnmatchedEvent.seen_at, UnmatchedEvent.closed_at.is_(None)),
        not_started=_waiting(
            ctx,
            TopUp.opened_at,
            TopUp.state == TopUpState.OPEN,
            TopUp.opened_at < ctx.now - NOT_STARTED,
            ~started,
        ),
        unsent=_waiting(
            ctx,
            Notice.created_at,
            Notice.state == NoticeState.OWED,
            Notice.created_at < ctx.now - UNSENT,
        ),
        clock_behind=_clock_behind(ctx),
    )


def _waiting(
    ctx: Context,
    since: InstrumentedAttribute[datetime],
    *conditions: ColumnElement[bool] | InstrumentedAttribute[bool],
) -> Waiting:
    count, oldest = ctx.session.execute(
        select(func.count(), func.min(since)).where(*conditions)
    ).one()
    return Waiting(count, max(0.0, (ctx.now - oldest).total_seconds()) if count else 0.0)


def _clock_behind(ctx: Context) -> float:
    newest = [
        ctx.session.scalar(select(at).order_by(key.desc()).limit(1))
        for at, key in (
            (LedgerEntry.posted_at, LedgerEntry.id),
            (Attempt.started_at, Attempt.id),
            (Notice.created_at, Notice.id),
        )
    ]
    return max([0.0, *((at - ctx.now).total_seconds() for at in newest if at is not None)])
