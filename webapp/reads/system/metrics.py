"""Figures that an operator watches. All are read from partial indexes: cheap at any size."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.database.base import sql_literal
from webapp.domain.accounts.decisions import Code, Decision
from webapp.domain.notifications.outbox import Notice, NoticeState
from webapp.domain.payments.payment import (
    OPEN_STATES,
    Attempt,
    AttemptState,
)
from webapp.domain.top_ups.top_up import TopUp, TopUpState
from webapp.domain.wires.wire import WireRequest, WireState
from webapp.ports import Processors
from webapp.reads.payments.processor_events import read_hearings
from webapp.reads.system.backlog import read_backlog


def read_metrics(
    session: Session, processors: Processors, now: datetime
) -> dict[str, tuple[str, float]]:
    """Name → what it means, and its value."""
    oldest = session.scalar(
        select(func.min(Attempt.started_at)).where(Attempt.state.in_(OPEN_STATES))
    )
    backlog = read_backlog(session, now)
    heard = read_hearings(session, processors, now)
    return {
        "open_top_ups": (
            "Top-ups that are under way",
            _count(session, TopUp.state == TopUpState.OPEN),
        ),
        "open_attempts": (
            "Attempts without an outcome",
            _count(session, Attempt.state.in_(OPEN_STATES)),
        ),
        "oldest_open_attempt_seconds": (
            "Age of the oldest attempt without an outcome",
            (now - oldest).total_seconds() if oldest else 0.0,
        ),
        "refused_attempts": (
            "Attempts that a processor refused to look at",
            _count(session, Attempt.state == AttemptState.REFUSED),
        ),
        "attempts_for_operator": (
            "Attempts that an operator must decide",
            _count(session, Attempt.needs_operator),
        ),
        "evidence_for_operator": (
            "Payments and refunds at processors that fit nothing here",
            float(backlog.evidence.count),
        ),
        "events_behind_seconds": (
            "Age of the time up to which the events of every processor have been taken",
            max((one.seconds_behind for one in heard), default=0.0),
        ),
        "events_without_webhook": (
            "Events of processors that no webhook has told, since the last one that did",
            float(sum(one.missed for one in heard)),
        ),
        "owed_mails": (
            "Mails that are owed and not yet sent",
            _count(session, Notice.state == NoticeState.OWED),
        ),
        "wires_to_confirm": (
            "Wire transfers with a proof of payment, neither completed nor rejected",
            _count(session, WireRequest.state == WireState.PROOF_UPLOADED),
        ),
        "failed_mails": (
            "Mails that were given up",
            _count(session, Notice.state == NoticeState.FAILED),
        ),
        "unheard_attempts": (
            "Attempts whose processor has not told the outcome for a minute or more",
            float(backlog.unheard.count),
        ),
        "uncharged_top_ups": (
            "Top-ups that no worker has taken up within two minutes",
            float(backlog.uncharged.count),
        ),
        "unsent_mails": (
            "Mails that are owed for more than five minutes",
            float(backlog.unsent.count),
        ),
        "refused_usage": (
            "Times in the last 24 hours that usage records above USAGE_MAX were refused",
            _refused_usage(session, now),
        ),
        "clock_behind_seconds": (
            "How far the clock is behind the newest row",
            backlog.clock_behind,
        ),
    }


def _refused_usage(session: Session, now: datetime) -> float:
    times = select(func.sum(Decision.times)).where(
        Decision.code == sql_literal(Code.USAGE_TOO_LARGE),
        Decision.last_at > now - timedelta(days=1),
    )
    return float(session.scalar(times) or 0)


def _count(session: Session, condition) -> float:  # type: ignore[no-untyped-def]
    return float(session.scalar(select(func.count()).where(condition)) or 0)
