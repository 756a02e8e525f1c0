"""What waits longer than it should, and since when: trouble as the rows show it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from webapp.domain.ledger import LedgerEntry
from webapp.domain.notifications.outbox import Notice, NoticeState
from webapp.domain.payments.payment import (
    OPEN_STATES,
    Attempt,
    AttemptState,
)
from webapp.domain.payments.unmatched_events import UnmatchedEvent
from webapp.domain.top_ups.top_up import TopUp, TopUpState

UNHEARD = timedelta(minutes=1)
"""A processor answers within 30 seconds; after as much again the answer is lost."""

UNSENT = timedelta(minutes=5)
UNCHARGED = timedelta(minutes=2)
"""A charge starts within a second (T4), and the sweep comes every minute."""


@dataclass(frozen=True)
class Waiting:
    count: int
    seconds: float
    """Since the oldest has begun to wait; 0 where nothing does."""


@dataclass(frozen=True)
class Backlog:
    unheard: Waiting
    """Charges whose processor has not told their outcome."""
    undecided: Waiting
    """Charges that only an operator can settle (L10)."""
    evidence: Waiting
    """What processors have told and Ballast cannot book by itself (L9)."""
    uncharged: Waiting
    """Top-ups that no worker has taken up."""
    unsent: Waiting
    """Mails."""
    clock_behind: float
    """Seconds from now to the newest row; 0 where the clock is right."""


def read_backlog(session: Session, now: datetime) -> Backlog:
    """All but the newest rows is read from partial indexes: cheap at any size."""
    lost = or_(
        Attempt.state.in_((AttemptState.UNKNOWN, AttemptState.REFUSED)),
        (Attempt.state == AttemptState.STARTED) & (Attempt.started_at < now - UNHEARD),
    )
    taken_up = exists().where(
        Attempt.account_id == TopUp.account_id, Attempt.state.in_(OPEN_STATES)
    )
    return Backlog(
        unheard=_waiting(session, now, Attempt.started_at, lost, ~Attempt.needs_operator),
        undecided=_waiting(session, now, Attempt.started_at, Attempt.needs_operator),
        evidence=_waiting(session, now, UnmatchedEvent.seen_at, UnmatchedEvent.closed_at.is_(None)),
        uncharged=_waiting(
            session,
            now,
            TopUp.opened_at,
            TopUp.state == TopUpState.OPEN,
            TopUp.opened_at < now - UNCHARGED,
            ~taken_up,
        ),
        unsent=_waiting(
            session,
            now,
            Notice.created_at,
            Notice.state == NoticeState.OWED,
            Notice.created_at < now - UNSENT,
        ),
        clock_behind=_clock_behind(session, now),
    )


def _waiting(
    session: Session,
    now: datetime,
    since: InstrumentedAttribute[datetime],
    *conditions: ColumnElement[bool] | InstrumentedAttribute[bool],
) -> Waiting:
    count, oldest = session.execute(select(func.count(), func.min(since)).where(*conditions)).one()
    return Waiting(count, max(0.0, (now - oldest).total_seconds()) if count else 0.0)


def _clock_behind(session: Session, now: datetime) -> float:
    newest = [
        session.scalar(select(at).order_by(key.desc()).limit(1))
        for at, key in (
            (LedgerEntry.posted_at, LedgerEntry.id),
            (Attempt.started_at, Attempt.id),
            (Notice.created_at, Notice.id),
        )
    ]
    return max([0.0, *((at - now).total_seconds() for at in newest if at is not None)])
