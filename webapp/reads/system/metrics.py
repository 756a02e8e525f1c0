"""Metrics for Prometheus, read from partial indexes so that they are cheap at any size."""

from datetime import timedelta

from sqlalchemy import func, select

from webapp.database.statements import sql_literal
from webapp.domain.events.rows import EventRepeat, EventRow
from webapp.domain.events.timeline import Code
from webapp.domain.notifications.outbox import Notice, NoticeState
from webapp.domain.payments.payment import OPEN_STATES, Attempt, AttemptState
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.top_up import TopUp, TopUpState
from webapp.domain.wires.wire import WireRequest, WireState
from webapp.reads.payments.processor_events import read_event_statuses
from webapp.reads.system.backlog import read_backlog


def read_metrics(ctx: Context) -> dict[str, tuple[str, float]]:
    """Return help text and value by metric name."""
    oldest = ctx.session.scalar(
        select(func.min(Attempt.started_at)).where(Attempt.state.in_(OPEN_STATES))
    )
    backlog = read_backlog(ctx)
    statuses = read_event_statuses(ctx)
    return {
        "open_top_ups": (
            "Open top-ups",
            _count(ctx, TopUp.state == TopUpState.OPEN),
        ),
        "open_attempts": (
            "Attempts without an outcome",
            _count(ctx, Attempt.state.in_(OPEN_STATES)),
        ),
        "oldest_open_attempt_seconds": (
            "Age of the oldest attempt without an outcome",
            (ctx.now - oldest).total_seconds() if oldest else 0.0,
        ),
        "refused_attempts": (
            "Attempts whose request a processor rejected",
            _count(ctx, Attempt.state == AttemptState.REFUSED),
        ),
        "attempts_for_operator": (
            "Attempts that an operator must resolve",
            _count(ctx, Attempt.needs_operator),
        ),
        "evidence_for_operator": (
            "Payments and refunds at processors that match no payment here",
            float(backlog.unmatched.count),
        ),
        "events_behind_seconds": (
            "Age of the time up to which the events of all processors are caught up",
            max((status.seconds_behind for status in statuses), default=0.0),
        ),
        "events_without_webhook": (
            "Processor events found by listing since the last webhook",
            float(sum(status.missed for status in statuses)),
        ),
        "owed_mails": (
            "Emails that are queued and not yet sent",
            _count(ctx, Notice.state == NoticeState.OWED),
        ),
        "wires_to_confirm": (
            "Wire transfers with a proof of payment, neither completed nor rejected",
            _count(ctx, WireRequest.state == WireState.PROOF_UPLOADED),
        ),
        "failed_mails": (
            "Emails that could not be delivered",
            _count(ctx, Notice.state == NoticeState.FAILED),
        ),
        "unheard_attempts": (
            "Attempts without an answer from the processor for a minute or more",
            float(backlog.unanswered.count),
        ),
        "uncharged_top_ups": (
            "Top-ups that no worker has started within two minutes",
            float(backlog.not_started.count),
        ),
        "unsent_mails": (
            "Emails that are queued for more than five minutes",
            float(backlog.unsent.count),
        ),
        "refused_usage": (
            "Usage records above USAGE_MAX refused in the last 24 hours",
            _refused_usage(ctx),
        ),
        "clock_behind_seconds": (
            "Seconds by which the clock is behind the newest row",
            backlog.clock_behind,
        ),
    }


def _refused_usage(ctx: Context) -> float:
    times = func.coalesce(EventRepeat.times, 1)
    last_at = func.coalesce(EventRepeat.last_at, EventRow.at)
    query = select(func.sum(times)).select_from(EventRow).outerjoin(EventRow.repeat)
    is_refusal = EventRow.timeline == sql_literal(Code.USAGE_TOO_LARGE)
    return float(
        ctx.session.scalar(query.where(is_refusal, last_at > ctx.now - timedelta(days=1))) or 0
    )


def _count(ctx: Context, condition) -> float:  # type: ignore[no-untyped-def]
    return float(ctx.session.scalar(select(func.count()).where(condition)) or 0)
