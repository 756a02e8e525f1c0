"""The balance chart over 30, 90 or 365 days: step line, thresholds, refills and failed payments.

The main screen shows it small, the statement wide with a table below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil, floor

from sqlalchemy import select

from webapp.currencies import minor_unit
from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import Attempt, AttemptState
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import MICROS, AmountFormat
from webapp.domain.top_ups.settings import Choice
from webapp.reads.ledger.balance_history import BalanceHistory, read_history
from webapp.reads.top_ups.runway import burn_rate_instants, read_burn_rate, runway_words

SPANS = (30, 90, 365)
"""Calendar days, including today."""

SAMPLES = {30: 5, 90: 4, 365: 1}
"""Balance samples per day for accounts with many entries: about one per two pixels."""

MARKS = 1000
"""Most credits, and most failures, drawn per chart: the newest ones."""

MOST_STEPS = 3.2
"""Grid steps between the lowest and the highest value, at most."""

TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Span:
    """The days shown, in the account's time zone; the last day ends now."""

    days: int
    starts: tuple[datetime, ...]
    """Start of each day, oldest first."""
    past: tuple[datetime, ...]
    """Sample instants of all days but the last."""
    now: datetime

    @classmethod
    def of(cls, days: int, account: Account, now: datetime) -> "Span":
        zone = account.time_zone
        return cls(days, *_calendar(days, datetimes.start_of_day(now, zone), zone), now)

    # In UTC, because subtracting two datetimes of one zone ignores daylight saving time.
    @cached_property
    def start(self) -> datetime:
        return self.starts[0].astimezone(UTC)

    @property
    def ends(self) -> list[datetime]:
        """End of each day: the last instant before the next day."""
        return [*(start.astimezone(UTC) - TICK for start in self.starts[1:]), self.now]

    @property
    def samples(self) -> list[datetime]:
        """Sample instants of all days, including the end of each day."""
        today = _samples(self.days, self.starts[-1], self.now)
        # The burn rate needs exact balances at its day boundaries.
        return sorted([*self.past, *today, *burn_rate_instants(self.now)[:-1]])


@lru_cache(maxsize=64)
def _calendar(
    days: int, today: datetime, zone: str
) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Return the starts of the last `days` days and the samples of all but the last one.

    The result changes once a day, so it is cached.
    """
    # From noon to noon, so that a daylight saving change skips no day.
    noon = today + timedelta(hours=12)
    starts = [
        datetimes.start_of_day(noon - timedelta(days=back), zone)
        for back in range(days - 1, -1, -1)
    ]
    past = [
        instant
        for start, following in pairwise(starts)
        for instant in _samples(days, start, following.astimezone(UTC) - TICK)
    ]
    return tuple(starts), tuple(past)


def _samples(days: int, midnight: datetime, end: datetime) -> list[datetime]:
    """Return the sample instants of one day in a span of `days` days."""
    start, a_day = midnight.astimezone(UTC), SAMPLES[days]
    step = (end - start) / a_day
    return [*(start + step * number for number in range(1, a_day)), end]


ChartPoint = tuple[int, int]
"""Seconds since the start, and the balance in minor units, rounded down."""


@dataclass(frozen=True)
class ChartDay:
    """One row of the table below the chart."""

    name: str
    balance: str
    """Balance at the end of the day."""
    added: str
    failures: str


@dataclass(frozen=True)
class BalanceChart:
    days: int
    points: tuple[ChartPoint, ...]
    """Corners of the step line, oldest first; the last is now. Empty without history."""
    refills: tuple[ChartPoint, ...]
    """Automatic refills, drawn as rings."""
    failures: tuple[ChartPoint, ...]
    """Failed payments, drawn as crosses."""
    threshold: int | None
    """Refill threshold in minor units; `notification` is the notification threshold."""
    notification: int | None
    top: int
    """Highest grid line in minor units; the lowest is 0 unless the balance was negative."""
    bottom: int
    grid: tuple[tuple[int, str], ...]
    """Grid lines: minor units and the label, "$150"."""
    labels: tuple[str, str, str]
    """Below the axis: "24 Oct", "8 Nov", "Today"."""
    start: int
    """Start as a Unix timestamp; the script shows local times in `zone`."""
    zone: str
    amounts: AmountFormat
    legend_refills: str
    """ "3 refills, $300.00"; empty if none."""
    legend_failures: str
    legend_threshold: str
    """ "Threshold $50.00"; empty if refill is off."""
    legend_notification: str
    summary: str
    """Text alternative of the chart."""
    runway: str = ""
    """How long the balance lasts; only on the wide chart."""

    @property
    def drawing(self) -> dict[str, object]:
        """JSON data for the chart script.

        Points are deltas from the previous point, which compresses to half the size.
        """
        names = (
            "refills", "failures", "threshold", "notification", "top", "bottom", "grid", "labels",
            "start", "zone",
        )  # fmt: skip
        steps = [
            (seconds - seconds_before, amount - amount_before)
            for (seconds_before, amount_before), (seconds, amount) in pairwise(
                ((0, 0), *self.points)
            )
        ]
        facts = {name: getattr(self, name) for name in names}
        return {"steps": steps, "amounts": self.amounts.for_script, **facts}


def read_chart(
    ctx: Context, account: Account, choice: Choice, days: int
) -> tuple[BalanceChart, tuple[ChartDay, ...]]:
    """Return the wide chart, with failed payments and runway, and the table below it."""
    span = Span.of(days, account, ctx.now)
    history = read_history(ctx, account, span.start, span.samples, most_credits=MARKS)
    failed = ctx.session.scalars(
        select(Attempt.started_at)
        .where(
            Attempt.account_id == account.id,
            Attempt.state == AttemptState.DECLINED,
            Attempt.started_at >= span.start,
        )
        .order_by(Attempt.started_at.desc())
        .limit(MARKS)
    ).all()[::-1]
    pace = read_burn_rate(ctx, account, history)
    chart = replace(
        draw_chart(account, history, choice, span, failed),
        runway=runway_words(ctx, account, choice, pace),
    )
    return chart, _table(account, history, span, failed)


def draw_chart(
    account: Account,
    history: BalanceHistory,
    choice: Choice,
    span: Span,
    failed: Sequence[datetime] = (),
) -> BalanceChart:
    """Build the chart; `history` must start where `span` starts."""
    zone, start, now = account.time_zone, span.start, span.now
    refills, balances = history.refills, history.extremes
    threshold = choice.threshold if choice.refill_on else None
    notification = choice.notification_threshold if choice.notification_on else None
    unit = minor_unit(account.currency)
    bottom, top, step = _scale([*balances, account.balance, threshold or 0, notification or 0])
    total = account.show(sum(refill.credit for refill in refills))
    count = _count(len(refills), "refill")

    # The fallback payment may have the same timestamp as the failure.
    just_before = [at - TICK for at in failed]

    def point(at: datetime, balance: int) -> ChartPoint:
        return int((at - start).total_seconds()), balance // unit

    return BalanceChart(
        days=span.days,
        points=_steps(span, history, account) if balances else (),
        refills=tuple(point(refill.at, refill.balance) for refill in refills),
        failures=tuple(
            point(at, balance) for at, balance in zip(failed, history.at(just_before), strict=True)
        ),
        threshold=None if threshold is None else threshold // unit,
        notification=None if notification is None else notification // unit,
        top=top * MICROS // unit,
        bottom=bottom * MICROS // unit,
        grid=tuple(
            (units * MICROS // unit, account.amounts.whole(units))
            for units in range(bottom, top + 1, step)
        ),
        labels=(
            datetimes.day(start, zone, now),
            datetimes.day(start + (now - start) / 2, zone, now),
            "Today",
        ),
        start=int(start.timestamp()),
        zone=zone,
        amounts=account.amounts,
        legend_refills=f"{count}, {total}" if refills else "",
        legend_failures=_count(len(failed), "failed payment") if failed else "",
        legend_threshold=f"Threshold {account.show(threshold)}" if threshold is not None else "",
        legend_notification=f"Notification {account.show(notification)}"
        if notification is not None
        else "",
        summary=_summary(account, balances, span.days, f"{count}, {total} in all.", threshold),
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _steps(span: Span, history: BalanceHistory, account: Account) -> tuple[ChartPoint, ...]:
    """Return the step line: one point per half pixel, except that credits keep both corners."""
    start, unit = span.start, minor_unit(account.currency)
    whole = (span.now - start).total_seconds() or 1
    a_second = span.days * SAMPLES[span.days] / whole
    points: list[ChartPoint] = [(0, (history.opening or 0) // unit)]
    last, fixed = 0, True
    for movement in history.movements:
        seconds = (movement.at - start).total_seconds()
        point, bucket = (int(seconds), movement.balance // unit), int(seconds * a_second)
        if bucket == last and not fixed and not movement.credit:
            points[-1] = point
        else:
            points.append(point)
        last, fixed = bucket, movement.credit > 0
    return (*points, (int(whole), account.balance // unit))


def _table(
    account: Account, history: BalanceHistory, span: Span, failed: Sequence[datetime]
) -> tuple[ChartDay, ...]:
    """Return the table rows, newest day first, starting at the first day with history."""
    if history.is_empty:
        return ()
    zone, rows = account.time_zone, []
    began = span.starts[0]
    if history.opening is None:
        began = datetimes.start_of_day(history.movements[0].at, zone)
    closing = history.at(span.ends)
    added: dict[str, int] = {}
    declined: dict[str, int] = {}
    for movement in history.movements:
        day = datetimes.local(movement.at, zone).date().isoformat()
        added[day] = added.get(day, 0) + movement.credit
    for at in failed:
        day = datetimes.local(at, zone).date().isoformat()
        declined[day] = declined.get(day, 0) + 1
    for start, balance in zip(span.starts, closing, strict=True):
        if start < began:
            continue
        day = start.date().isoformat()
        credit, count = added.get(day, 0), declined.get(day, 0)
        rows.append(
            ChartDay(
                name=datetimes.weekday_and_day(start, zone, span.now),
                balance=account.show(balance),
                added=account.show(credit) if credit else "",
                failures=str(count) if count else "",
            )
        )
    return tuple(reversed(rows))


def _scale(balances: Sequence[int]) -> tuple[int, int, int]:
    """Return bottom, top and step of the grid in units; steps are 1, 2 or 5 times a power of 10."""
    high = max([*balances, 100 * MICROS]) / MICROS
    low = min([*balances, 0]) / MICROS
    step = 1.0
    while (high - low) / step > MOST_STEPS:
        # 1, 2, 5, 10, 20, 50 …
        step *= 2.5 if str(step)[0] == "2" else 2
    steps = step * floor(low / step), step * ceil(high / step), step
    bottom, top, step = (int(units) for units in steps)
    return bottom, top, step


def _summary(
    account: Account, balances: Sequence[int], days: int, refills: str, threshold: int | None
) -> str:
    now = account.show(account.balance)
    if not balances:
        return f"No history yet. The balance is {now}."
    text = (
        f"Balance over the last {days} days: between {account.show(min(balances))} and "
        f"{account.show(max(balances))}, now {now}. {refills}"
    )
    return text + (f" The threshold is {account.show(threshold)}." if threshold is not None else "")
