"""Burn rate of a balance over the last seven days, and the forecasts made from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from webapp.currencies import Bounds
from webapp.domain.shared.field_tables import Show
from webapp.domain.shared.money import round_up
from webapp.domain.top_ups.settings import Choice, RefillMode

DAYS = 7
FARTHEST = 60
"""Longest forecast in days; one week of usage does not predict more."""

ROUNDED_TO = 5
"""Suggestions are multiples of this part of the recommended threshold: of 10.00 for 50.00."""


@dataclass(frozen=True)
class Runway:
    """Days until the balance is used up, if the last seven days repeat.

    The result depends on the day of the cycle to start with: the shortest, median and longest.
    """

    shortest: float
    middle: float
    longest: float


@dataclass(frozen=True)
class BurnRate:
    days: tuple[int, ...]
    """Micros used in each of the last seven 24-hour periods, oldest first."""

    @property
    def daily(self) -> int:
        """Average usage per day, in micros."""
        return sum(self.days) // len(self.days)

    @property
    def busiest(self) -> int:
        return max(self.days)

    def runway(self, left: int) -> Runway | None:
        """Return the runway of a balance in micros; None without usage, or beyond `FARTHEST`."""
        if not any(self.days):
            return None
        walks = [self._walk(left, first) for first in range(len(self.days))]
        found = Runway(min(walks), median(walks), max(walks))
        return found if found.middle <= FARTHEST else None

    def _walk(self, left: int, first: int) -> float:
        if left <= 0:
            return 0.0
        week = sum(self.days)
        days = float(left // week * len(self.days))
        left %= week
        for step in range(len(self.days)):
            used = self.days[(first + step) % len(self.days)]
            if used >= left:
                return days + left / used if used else days
            left -= used
            days += 1
        return days


def suggestion(pace: BurnRate, bounds: Bounds) -> Choice:
    """Suggest a threshold of two days at peak usage, and a refill of one average week.

    The threshold is at least the recommended one (T12).
    """
    step = round_up(bounds.threshold_advice // ROUNDED_TO, bounds.currency)
    threshold = max(bounds.threshold_advice, _rounded_up(2 * pace.busiest, step))
    refill = _rounded_up(DAYS * pace.daily, step)
    refill = min(max(refill, bounds.payment_min), bounds.payment_max)
    return Choice(refill_on=True, threshold=threshold, refill_amount=refill)


def _rounded_up(micros: int, step: int) -> int:
    return -(-micros // step) * step


def lasting(days: float) -> str:
    """ "about 3 days", "about 7 hours", "less than an hour"."""
    hours = round(days * 24)
    if hours < 1:
        return "less than an hour"
    if hours < 36:
        return f"about {hours} hour{'s' if hours != 1 else ''}"
    return f"about {round(days)} days"


def between(runway: Runway) -> str:
    """ "2 to 5 days"; empty if the shortest and the longest runway round to the same number."""
    if round(runway.longest * 24) < 36:
        low, high, unit = round(runway.shortest * 24), round(runway.longest * 24), "hours"
    else:
        low, high, unit = round(runway.shortest), round(runway.longest), "days"
    return f"{low} to {high} {unit}" if low != high else ""


def warnings(choice: Choice, pace: BurnRate | None, show: Show) -> Iterable[str]:
    """Yield warnings about settings that are valid but may not do what the person expects."""
    if choice.refill_on:
        yield from _too_little(choice, pace, show)
        yield from _cut(choice, show)
        if choice.no_day_limit:
            yield (
                "Refills are not limited per day. A fourth refill within 10 minutes still pauses "
                "automatic refills."
            )
    pair = (choice.notification_threshold, choice.threshold)
    if choice.refill_on and choice.notification_on and None not in pair and pair[0] <= pair[1]:  # type: ignore[operator]
        yield (
            "The notification threshold is at or below your refill threshold, so you’ll usually "
            "be refilled before it is sent."
        )


def _too_little(choice: Choice, pace: BurnRate | None, show: Show) -> Iterable[str]:
    if pace is None or not pace.daily:
        return
    refill = choice.refill_amount
    if choice.refill_mode is RefillMode.TARGET:
        refill = (choice.target or 0) - (choice.threshold or 0)
    if refill is not None and refill < pace.daily:
        is_fixed = choice.refill_mode is RefillMode.ADD
        what = "A refill" if is_fixed else "A refill from threshold to target"
        yield (
            f"{what} of {show(refill)} is less than a day’s use, about {show(pace.daily)}: expect "
            "several charges a day."
        )


def _cut(choice: Choice, show: Show) -> Iterable[str]:
    refill = choice.refill_amount if choice.refill_mode is RefillMode.ADD else None
    for field, limit in choice.limits():
        if refill is not None and limit < refill:
            yield (
                f"The limit of {show(limit)} a {field.span} is below the refill amount of "
                f"{show(refill)}: every refill will be reduced by the limit."
            )
