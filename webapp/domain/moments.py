"""Instants as people read them, in the account's time zone (P4).

"Today, 10:02", then "Thu 5 Nov, 03:17"; the year only when it differs.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def local(instant: datetime, time_zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(time_zone))


def day(instant: datetime, time_zone: str, now: datetime) -> str:
    """ "24 Nov", or "24 Nov 2027" in another year."""
    then, today = local(instant, time_zone).date(), local(now, time_zone).date()
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {MONTHS[then.month - 1]}{year}"


def weekday_and_day(instant: datetime, time_zone: str, now: datetime) -> str:
    return f"{DAYS[local(instant, time_zone).weekday()]} {day(instant, time_zone, now)}"


def clock_time(instant: datetime, time_zone: str) -> str:
    return local(instant, time_zone).strftime("%H:%M")


def when(instant: datetime, time_zone: str, now: datetime) -> str:
    """ "Tue 24 Nov, 10:02": exact, for a promise."""
    return f"{weekday_and_day(instant, time_zone, now)}, {clock_time(instant, time_zone)}"


def mailed(instant: datetime, time_zone: str, now: datetime) -> str:
    """As `when`, with the zone's name: a mail is read anywhere."""
    return f"{when(instant, time_zone, now)} {local(instant, time_zone).tzname()}"


def since(instant: datetime, time_zone: str, now: datetime) -> str:
    """ "Today, 10:02" or as `when`: for what has happened."""
    if local(instant, time_zone).date() == local(now, time_zone).date():
        return f"Today, {clock_time(instant, time_zone)}"
    return when(instant, time_zone, now)


def within(moment: str) -> str:
    """The same inside a sentence: "today, 10:02"."""
    return moment.replace("Today", "today", 1)


def taken(span: timedelta) -> str:
    """ "under 1 s", "4 s", "15 min", "3 h", "2 days": how long something took."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 48 * 3600 else f"{seconds // 86400} days"


def midnight(day: date, time_zone: str) -> datetime:
    """Where that day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone))


def start_of_day(now: datetime, time_zone: str) -> datetime:
    return local(now, time_zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def start_of_next_day(now: datetime, time_zone: str) -> datetime:
    tomorrow: date = local(now, time_zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=ZoneInfo(time_zone))


def start_of_month(now: datetime, time_zone: str) -> datetime:
    return start_of_day(now, time_zone).replace(day=1)


def start_of_next_month(now: datetime, time_zone: str) -> datetime:
    first = start_of_month(now, time_zone)
    year, month = divmod(first.year * 12 + first.month, 12)
    return first.replace(year=year, month=month + 1)
