"""Usage of the demo account: the telephone calls of a small company.

Deterministic: the same seed, period and total give the same records. The meter reports by
destination every two hours, more in office hours than at night and on weekends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from webapp.domain.usage.record import Usage

EVERY = timedelta(hours=2)
LATE = timedelta(minutes=10)
"""Maximum delay of a reading after the full hour."""

HOURS = (
    0.03, 0.02, 0.02, 0.03, 0.03, 0.05, 0.1, 0.4, 0.8, 1.2, 1.4, 1.3,
    0.8, 0.9, 1.3, 1.3, 1.1, 0.7, 0.4, 0.25, 0.2, 0.12, 0.08, 0.05,
)  # fmt: skip
"""Weight of each hour of the day."""

WEEKDAYS = (1.05, 1.1, 1.0, 1.0, 0.9, 0.4, 0.25)
"""Weight of each day of the week, from Monday."""

RECORDS = 4
"""Destinations called in two hours of weight 1."""


@dataclass(frozen=True)
class Route:
    description: str
    rate: int
    """Micros per minute."""
    places: int
    """Decimals in the carrier's price."""
    share: int
    """Percentage of all calls."""


ROUTES = (
    Route("Outbound calls, Ireland mobile", 21_500, 4, 34),
    Route("Outbound calls, Ireland fixed", 9_800, 4, 22),
    Route("Outbound calls, United Kingdom mobile", 24_360, 5, 16),
    Route("Outbound calls, United Kingdom fixed", 7_425, 6, 9),
    Route("Outbound calls, Germany fixed", 8_125, 6, 6),
    Route("Outbound calls, United States", 6_375, 6, 6),
    Route("Inbound calls, Dublin number", 4_250, 5, 4),
    Route("SMS, Ireland", 46_200, 4, 3),
)
NIGHT = Route("Outbound calls, Australia mobile", 31_750, 5, 0)


@dataclass(frozen=True)
class Reading:
    """Usage records that the meter posts together."""

    at: datetime
    usages: tuple[Usage, ...]


def readings(
    random: Random, start: datetime, end: datetime, total: int, zone: ZoneInfo
) -> list[Reading]:
    """Readings between two times whose amounts sum to exactly `total` micros."""
    hours = [start + EVERY * n for n in range(1, (end - LATE - start) // EVERY + 1)]
    calls = [
        (hour, route, _cost(random, route))
        for hour in hours
        for route in _routes(random, hour, zone)
    ]
    whole = sum(cost for _, _, cost in calls)
    amounts = [_billed(cost * total // whole, route) for _, route, cost in calls]
    # The largest record absorbs the rounding difference.
    dearest = max(range(len(amounts)), key=amounts.__getitem__)
    amounts[dearest] += total - sum(amounts)
    found: dict[datetime, list[Usage]] = {}
    for (hour, route, _), amount in zip(calls, amounts, strict=True):
        number = len(found.setdefault(hour, [])) + 1
        occurred = hour - timedelta(seconds=random.randrange(EVERY.seconds))
        found[hour].append(_usage(amount, route, occurred, f"{hour:%Y%m%d-%H%M}-{number}"))
    return [
        Reading(hour + timedelta(seconds=random.randrange(40, LATE.seconds)), tuple(usages))
        for hour, usages in found.items()
    ]


def one_call(at: datetime, amount: int, zone: ZoneInfo) -> Reading:
    """A single long call that has just ended."""
    route = ROUTES[0] if 7 <= at.astimezone(zone).hour < 22 else NIGHT
    return Reading(at, (_usage(amount, route, at, f"{at:%Y%m%d-%H%M}-end"),))


def _routes(random: Random, hour: datetime, zone: ZoneInfo) -> Sequence[Route]:
    """The destinations called in an hour, each once."""
    local = hour.astimezone(zone)
    busy = HOURS[local.hour] * WEEKDAYS[local.weekday()] * RECORDS * random.uniform(0.6, 1.4)
    count = int(busy) + (random.random() < busy % 1)
    if not 7 <= local.hour < 22:
        return [NIGHT] * min(count, 1)
    picked = random.choices(ROUTES, [route.share for route in ROUTES], k=count)
    return list(dict.fromkeys(picked))


def _cost(random: Random, route: Route) -> int:
    return route.rate * random.randrange(120, 1500) // 60


def _billed(amount: int, route: Route) -> int:
    smallest = 10 ** (6 - route.places)
    return max(smallest, amount - amount % smallest)


def _usage(amount: int, route: Route, occurred_at: datetime, reference: str) -> Usage:
    return Usage(amount, f"meter-{reference}", occurred_at, route.description)
