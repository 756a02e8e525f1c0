"""The decision timeline (E1), with the present answer to "why no top-up?" on top."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain import moments, top_ups
from webapp.domain.accounts import Account
from webapp.domain.decisions import Code, Decision
from webapp.domain.explanations import Words, what_happens_next
from webapp.domain.policy import Policy
from webapp.reads.named_payments import Named, payments_of_attempts

PAGE = 50

TONES = {
    Code.CHARGED: "ok",
    Code.RESTORED: "ok",
    Code.SUSPENSION_ENDED: "ok",
    Code.RESUMED: "ok",
    Code.CHARGING: "accent",
    Code.DECLINED: "bad",
    Code.ALL_FAILED: "bad",
    Code.ALL_SUSPENDED: "warn",
    Code.PRIMARY_OFF: "warn",
    Code.NO_METHOD: "warn",
    Code.CAP_REACHED: "warn",
    Code.PAUSED: "warn",
    Code.MISMATCH: "bad",
    Code.OPERATOR: "warn",
    Code.WAITING: "warn",
    Code.WITHDRAWN_TOO_LATE: "warn",
    Code.NOTIFIED: "accent",
    Code.AFTER_REVERSAL: "warn",
    Code.TAKEN_BACK: "warn",
    Code.GIVEN_BACK: "ok",
    Code.METHOD_UPDATED: "ok",
    Code.METHOD_GONE: "bad",
}

TITLES = {
    Code.ABOVE_THRESHOLD: "Above the threshold",
    Code.REFILL_OFF: "Refill is off",
    Code.WAITING: "Waiting for an outcome",
    Code.NO_METHOD: "No method with auto-charge",
    Code.PRIMARY_OFF: "Primary’s auto-charge is off",
    Code.ALL_SUSPENDED: "All methods out of use",
    Code.ALL_FAILED: "All methods declined",
    Code.CAP_REACHED: "Limit reached",
    Code.PAUSED: "Paused",
    Code.SETTINGS_OUT_OF_BOUNDS: "Settings outside the limits",
    Code.SWITCHED_OFF: "Switched off",
    Code.DRY_RUN: "Dry run",
    Code.CHARGING: "Charging",
    Code.CHARGED: "Charged",
    Code.DECLINED: "Declined",
    Code.ABANDONED: "Given up",
    Code.MISMATCH: "Evidence does not match",
    Code.OPERATOR: "Your provider is asked",
    Code.CHAIN_ENDED: "Not gone on with",
    Code.SUSPENSION_ENDED: "Suspension ended",
    Code.RESTORED: "Back in use",
    Code.WITHDRAWN_TOO_LATE: "Consent withdrawn meanwhile",
    Code.RESUMED: "Resumed",
    Code.NOTIFIED: "Notification",
    Code.AFTER_REVERSAL: "Not refilled by itself",
    Code.TAKEN_BACK: "Taken back",
    Code.GIVEN_BACK: "Given back",
    Code.METHOD_UPDATED: "Renewed by the bank",
    Code.METHOD_GONE: "Gone at the processor",
}


@dataclass(frozen=True)
class ActivityLine:
    id: int
    code: str
    """The machine code, for support and scripts."""
    title: str
    sentence: str
    tone: str
    """ "ok", "accent", "warn", "bad" or "off"."""
    time: str
    """ "10:02"."""
    repeated: str
    """ "3 times, last at 10:15", or empty."""
    payment: Named | None
    """The payment it is about (E2)."""


@dataclass(frozen=True)
class ActivityDay:
    name: str
    """ "Today", "Thu 5 Nov"."""
    lines: tuple[ActivityLine, ...]


@dataclass(frozen=True)
class ActivityScreen:
    now: tuple[Words, ...]
    """What happens next: the first thing on the page."""
    days: tuple[ActivityDay, ...]
    """The newest first."""
    older: int | None
    newer: bool


def read_activity(
    session: Session, account_id: int, now: datetime, policy: Policy, *, before: int | None = None
) -> ActivityScreen:
    account = session.get_one(Account, account_id)
    zone = account.time_zone
    query = select(Decision).where(Decision.account_id == account_id)
    if before is not None:
        query = query.where(Decision.id < before)
    found = session.scalars(query.order_by(Decision.id.desc()).limit(PAGE + 1)).all()
    shown = found[:PAGE]
    days = groupby(shown, lambda line: _day(line.first_at, zone, now))
    at = top_ups.gather(session, account, now, policy)
    named = payments_of_attempts(session, [line.attempt_id for line in shown])
    return ActivityScreen(
        now=what_happens_next(at, account.show),
        days=tuple(
            ActivityDay(name, tuple(_line(line, named, zone, now) for line in lines))
            for name, lines in days
        ),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def _day(at: datetime, zone: str, now: datetime) -> str:
    if moments.local(at, zone).date() == moments.local(now, zone).date():
        return "Today"
    return moments.weekday_and_day(at, zone, now)


def _line(line: Decision, named: Mapping[int, Named], zone: str, now: datetime) -> ActivityLine:
    last = moments.within(moments.since(line.last_at, zone, now))
    code = Code(line.code)
    return ActivityLine(
        id=line.id,
        code=code.value,
        title=TITLES[code],
        sentence=line.sentence,
        tone=TONES.get(code, "off"),
        time=moments.clock_time(line.first_at, zone),
        repeated=f"{line.times} times, last {last}" if line.times > 1 else "",
        payment=named.get(line.attempt_id or 0),
    )
