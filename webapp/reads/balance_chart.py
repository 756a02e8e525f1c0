"""The balance over the last 30 days: a step line, the threshold, a ring for each refill."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor

from webapp.domain import moments, money
from webapp.domain.accounts import Account
from webapp.domain.low_balance import Choice
from webapp.reads.balance_history import BalanceHistory

DAYS = 30
"""Calendar days, today included."""

POINTS = 160
"""One every other pixel; more would not be seen."""

MOST_STEPS = 3.2


ChartPoint = tuple[float, float]
"""From 0 at the left edge to 1 now; the balance in units of the currency, for drawing only."""


@dataclass(frozen=True)
class BalanceChart:
    points: tuple[ChartPoint, ...]
    """The step line's corners, oldest first; the last is now. Empty without history."""
    refills: tuple[ChartPoint, ...]
    """A ring where each refill has lifted the balance."""
    threshold: float | None
    top: float
    """The highest grid line, in units; 0 is the lowest unless the balance went below."""
    bottom: float
    grid: tuple[tuple[float, str], ...]
    """Grid lines: value in units and its label, "$150"."""
    labels: tuple[str, str, str]
    """Below the axis: "24 Oct", "8 Nov", "Today"."""
    legend_refills: str
    """ "3 refills, $300.00"; empty if none."""
    legend_threshold: str
    """ "Threshold $50.00"; empty if refill is off."""
    summary: str
    """The text alternative, with the figures."""

    @property
    def drawing(self) -> dict[str, object]:
        """What the script draws, as JSON takes it."""
        names = ("points", "refills", "threshold", "top", "bottom", "grid", "labels")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Frame:
    """The stretch of time that the chart shows."""

    start: datetime
    end: datetime

    def point(self, at: datetime, balance: int) -> ChartPoint:
        share = (at - self.start) / (self.end - self.start)
        return round(share, 4), round(balance / money.MICROS, 2)


def chart_start(account: Account, now: datetime) -> datetime:
    return moments.start_of_day(now - timedelta(days=DAYS - 1), account.time_zone)


def draw_chart(
    account: Account, history: BalanceHistory, choice: Choice, now: datetime
) -> BalanceChart:
    """`history` begins at `chart_start`."""
    zone, frame = account.time_zone, Frame(history.start, now)
    refills, balances = history.refills, history.extremes
    threshold = choice.threshold if choice.refill_on else None
    bottom, top, step = _scale([*balances, account.balance, threshold or 0])
    total = account.show(sum(refill.credit for refill in refills))
    count = f"{len(refills)} refill{'s' if len(refills) != 1 else ''}"
    return BalanceChart(
        points=_steps(frame, history, account.balance) if balances else (),
        refills=tuple(frame.point(refill.at, refill.balance) for refill in refills),
        threshold=threshold / money.MICROS if threshold is not None else None,
        top=top,
        bottom=bottom,
        grid=_grid(account, bottom, top, step),
        labels=(
            moments.day(frame.start, zone, now),
            moments.day(frame.start + (now - frame.start) / 2, zone, now),
            "Today",
        ),
        legend_refills=f"{count}, {total}" if refills else "",
        legend_threshold=f"Threshold {account.show(threshold)}" if threshold is not None else "",
        summary=_summary(account, balances, count, total, threshold),
    )


def _steps(frame: Frame, history: BalanceHistory, balance: int) -> tuple[ChartPoint, ...]:
    """The balances, thinned where many fall on one pixel; every credit keeps its two corners."""
    points, after_credit = [frame.point(frame.start, history.opening or 0)], True
    for movement in history.movements:
        point = frame.point(movement.at, movement.balance)
        crowded = point[0] - points[-1][0] < 1 / POINTS and not after_credit
        if crowded and not movement.credit:
            points[-1] = points[-1][0], point[1]
        else:
            points.append(point)
        after_credit = movement.credit > 0
    return (*points, frame.point(frame.end, balance))


def _scale(balances: list[int]) -> tuple[float, float, float]:
    """Bottom, top and distance of the grid lines, in units: at most four steps of 1, 2 or 5."""
    high = max([*balances, 100 * money.MICROS]) / money.MICROS
    low = min([*balances, 0]) / money.MICROS
    step = 1.0
    while (high - low) / step > MOST_STEPS:
        # 1, 2, 5, 10, 20, 50 …
        step *= 2.5 if str(step)[0] == "2" else 2
    return step * floor(low / step), step * ceil(high / step), step


def _grid(
    account: Account, bottom: float, top: float, step: float
) -> tuple[tuple[float, str], ...]:
    symbol = money.symbol(account.currency, account.locale)
    values = [bottom + step * line for line in range(round((top - bottom) / step) + 1)]
    return tuple((v, f"{'−' if v < 0 else ''}{symbol}{abs(v):,.0f}") for v in values)


def _summary(
    account: Account, balances: list[int], count: str, total: str, threshold: int | None
) -> str:
    now = account.show(account.balance)
    if not balances:
        return f"No history yet. The balance is {now}."
    text = (
        f"Balance over the last {DAYS} days: between {account.show(min(balances))} and "
        f"{account.show(max(balances))}, now {now}. {count}, {total} in all."
    )
    return text + (f" The threshold is {account.show(threshold)}." if threshold is not None else "")
