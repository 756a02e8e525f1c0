"""The decision timeline (E1), with the reason why no refill runs now at the top."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import contains_eager

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.event import Subject
from webapp.domain.events.rows import EventRepeat, EventRow
from webapp.domain.events.timeline import CODES, About, Code
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import Words, timeline_line, what_happens_next
from webapp.domain.top_ups.top_up import PlanInput
from webapp.reads.accounts.subjects import (
    Link,
    SubjectId,
    is_about,
    links_of,
)
from webapp.reads.filters import UrlFilters
from webapp.reads.payment_methods.filter_options import method_choices

PAGE = 50

ABOUT_NAMES = {
    About.CHARGES: "Charges",
    About.FAILURES: "Failures",
    About.NOTHING: "Nothing was charged",
    About.METHODS: "Methods",
    About.ACCOUNT: "Account",
}


@dataclass(frozen=True)
class ActivityFilters(UrlFilters):
    about: About | None = None
    method_id: int | None = None
    first: date | None = None
    """First and last day, inclusive, in the account's time zone. A folded line matches every day
    from its first to its last repetition."""
    last: date | None = None


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
    links: tuple[Link, ...]
    """Links to what the line is about (E2)."""


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
    methods: tuple[tuple[str, str], ...]
    """Filter options: id and name, including removed methods."""
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
    links = links_of(ctx, shown)
    return ActivityScreen(
        why=_why(account, inputs),
        now=what_happens_next(inputs, account.show),
        filters=filters,
        methods=method_choices(ctx, account_id),
        days=tuple(
            ActivityDay(
                name, tuple(_line(account, line, links[line.id], ctx.now) for line in lines)
            )
            for name, lines in days
        ),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def _conditions(filters: ActivityFilters, zone: str) -> Iterator[ColumnElement[bool]]:
    yield EventRow.timeline.is_not(None)
    if filters.about is not None:
        yield EventRow.timeline.in_([code for code in Code if code.about is filters.about])
    if filters.method_id is not None:
        yield is_about(SubjectId(Subject.METHOD, filters.method_id))
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


def _line(account: Account, line: EventRow, links: tuple[Link, ...], now: datetime) -> ActivityLine:
    zone = account.time_zone
    last = datetimes.within(datetimes.since(line.last_at, zone, now))
    code = CODES[line.timeline or ""]
    return ActivityLine(
        id=line.id,
        code=code.value,
        title=code.heading,
        sentence=kinds.line(line, account),
        tone=code.tone,
        time=datetimes.clock_time(line.at, zone),
        repeated=f"{line.times} times, last {last}" if line.times > 1 else "",
        links=links,
    )
