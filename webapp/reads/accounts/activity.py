"""The decision timeline (E1), with the reason why no refill runs now at the top."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import contains_eager

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.events.rows import EventRepeat, EventRow
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import Words, timeline_line, what_happens_next
from webapp.domain.top_ups.top_up import PlanInput
from webapp.reads.payments.named_payments import Named, payments_of_attempts

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
    Code.REFILL_HELD: "warn",
    Code.TAKEN_BACK: "warn",
    Code.GIVEN_BACK: "ok",
    Code.METHOD_UPDATED: "ok",
    Code.METHOD_GONE: "bad",
    Code.LIMITS_SET: "accent",
    Code.USAGE_TOO_LARGE: "warn",
}

TITLES = {
    Code.ABOVE_THRESHOLD: "No refill needed",
    Code.REFILL_OFF: "Automatic refill is off",
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
    Code.ABANDONED: "Abandoned",
    Code.MISMATCH: "Payment details don’t match",
    Code.OPERATOR: "Waiting for your provider",
    Code.CHAIN_ENDED: "Not continued",
    Code.SUSPENSION_ENDED: "Suspension ended",
    Code.RESTORED: "Method restored",
    Code.WITHDRAWN_TOO_LATE: "Changed during a charge",
    Code.RESUMED: "Resumed",
    Code.NOTIFIED: "Notification",
    Code.AFTER_REVERSAL: "No refill after a reversal",
    Code.REFILL_HELD: "Refill on hold",
    Code.TAKEN_BACK: "Payment reversed",
    Code.GIVEN_BACK: "Payment returned",
    Code.METHOD_UPDATED: "Renewed by the bank",
    Code.METHOD_GONE: "No longer at the processor",
    Code.LIMITS_SET: "Limits set",
    Code.USAGE_TOO_LARGE: "Usage rejected",
}


class About(StrEnum):
    """Filter of the timeline by subject."""

    CHARGES = "charges"
    FAILURES = "failures"
    NOTHING = "nothing"
    METHODS = "methods"
    ACCOUNT = "account"


ABOUT_NAMES = {
    About.CHARGES: "Charges",
    About.FAILURES: "Failures",
    About.NOTHING: "Nothing was charged",
    About.METHODS: "Methods",
    About.ACCOUNT: "Account",
}

ABOUT = {
    About.CHARGES: (Code.CHARGING, Code.CHARGED, Code.DRY_RUN),
    About.FAILURES: (
        Code.DECLINED, Code.ALL_FAILED, Code.ABANDONED, Code.MISMATCH, Code.OPERATOR,
        Code.CHAIN_ENDED,
    ),
    About.NOTHING: (
        Code.ABOVE_THRESHOLD, Code.REFILL_OFF, Code.WAITING, Code.NO_METHOD, Code.PRIMARY_OFF,
        Code.ALL_SUSPENDED, Code.CAP_REACHED, Code.PAUSED, Code.SETTINGS_OUT_OF_BOUNDS,
        Code.SWITCHED_OFF, Code.AFTER_REVERSAL, Code.REFILL_HELD,
    ),
    About.METHODS: (
        Code.SUSPENSION_ENDED, Code.RESTORED, Code.WITHDRAWN_TOO_LATE, Code.METHOD_UPDATED,
        Code.METHOD_GONE,
    ),
    About.ACCOUNT: (
        Code.RESUMED, Code.NOTIFIED, Code.TAKEN_BACK, Code.GIVEN_BACK, Code.LIMITS_SET,
        Code.USAGE_TOO_LARGE,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ActivityFilters:
    about: About | None = None
    first: date | None = None
    """First and last day, inclusive, in the account's time zone. A folded line matches every day
    from its first to its last repetition."""
    last: date | None = None

    @property
    def query(self) -> dict[str, str]:
        """URL query parameters of the filters that are set."""
        given = {
            "about": self.about or "",
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
        }
        return {name: str(value) for name, value in given.items() if value}


@dataclass(frozen=True)
class ActivityLine:
    id: int
    code: str
    """Machine-readable code, for support and scripts."""
    title: str
    sentence: str
    tone: str
    """ "ok", "accent", "warn", "bad" or "off"."""
    time: str
    """ "10:02"."""
    repeated: str
    """ "3 times, last at 10:15", or empty."""
    payment: Named | None
    """The payment that the line is about (E2)."""


@dataclass(frozen=True)
class ActivityDay:
    name: str
    """ "Today", "Thu 5 Nov"."""
    lines: tuple[ActivityLine, ...]


@dataclass(frozen=True)
class ActivityScreen:
    why: str
    """Why no refill runs now, or that one does. First line of the page."""
    now: tuple[Words, ...]
    """What happens next."""
    filters: ActivityFilters
    days: tuple[ActivityDay, ...]
    """Newest first."""
    older: int | None
    newer: bool

    @property
    def query(self) -> dict[str, str]:
        return self.filters.query


def read_activity(
    ctx: Context,
    account_id: int,
    filters: ActivityFilters | None = None,
    *,
    before: int | None = None,
) -> ActivityScreen:
    account = ctx.session.get_one(Account, account_id)
    zone = account.time_zone
    filters = filters or ActivityFilters()
    query = (
        select(EventRow)
        .outerjoin(EventRow.repeat)
        .where(EventRow.account_id == account_id, *_conditions(filters, zone))
        .options(contains_eager(EventRow.repeat))
    )
    if before is not None:
        query = query.where(EventRow.id < before)
    found = ctx.session.scalars(query.order_by(EventRow.id.desc()).limit(PAGE + 1)).all()
    shown = found[:PAGE]
    days = groupby(shown, lambda line: _day(line.at, zone, ctx.now))
    inputs = top_ups.gather(ctx, account)
    named = payments_of_attempts(ctx, [line.attempt_id for line in shown])
    return ActivityScreen(
        why=_why(account, inputs),
        now=what_happens_next(inputs, account.show),
        filters=filters,
        days=tuple(
            ActivityDay(name, tuple(_line(line, named, zone, ctx.now) for line in lines))
            for name, lines in days
        ),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def _conditions(filters: ActivityFilters, zone: str) -> Iterator[ColumnElement[bool]]:
    yield EventRow.timeline.is_not(None)
    if filters.about is not None:
        yield EventRow.timeline.in_(ABOUT[filters.about])
    if filters.first is not None:
        last_at = func.coalesce(EventRepeat.last_at, EventRow.at)
        yield last_at >= datetimes.midnight(filters.first, zone)
    if filters.last is not None:
        yield EventRow.at < datetimes.midnight(filters.last + timedelta(days=1), zone)


def _why(account: Account, inputs: PlanInput) -> str:
    """The planner's decision for the current balance; "What happens next" is a forecast."""
    plan = top_ups.plan(inputs)
    if plan.code is Code.ABOVE_THRESHOLD:
        balance, threshold = (
            account.show(inputs.balance),
            account.show(inputs.choice.threshold or 0),
        )
        return f"No refill needed: the balance, {balance}, is at or above {threshold}."
    return timeline_line(inputs, plan, account.show)


def _day(at: datetime, zone: str, now: datetime) -> str:
    if datetimes.local(at, zone).date() == datetimes.local(now, zone).date():
        return "Today"
    return datetimes.weekday_and_day(at, zone, now)


def _line(line: EventRow, named: Mapping[int, Named], zone: str, now: datetime) -> ActivityLine:
    last = datetimes.within(datetimes.since(line.last_at, zone, now))
    code = Code(line.timeline or "")
    return ActivityLine(
        id=line.id,
        code=code.value,
        title=TITLES[code],
        sentence=str(line.facts["sentence"]),
        tone=TONES.get(code, "off"),
        time=datetimes.clock_time(line.at, zone),
        repeated=f"{line.times} times, last {last}" if line.times > 1 else "",
        payment=named.get(line.attempt_id or 0),
    )
