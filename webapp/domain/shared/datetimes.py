"""Formatting of dates and times for people, in the account's time zone (P4).

Examples are "Today, 10:02" and "Thu 5 Nov, 03:17". The year is shown only if it is not the current
one. Emails use the language of the account.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from webapp.domain.shared.i18n import Language

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip

PATTERNS = {
    Language.GERMAN: ("d._MMMM", "d._MMMM y", "EEE, "),
    Language.SPANISH: ("d_'de'_MMMM", "d_'de'_MMMM 'de' y", "EEE, "),
    Language.FRENCH: ("d_MMMM", "d_MMMM y", "EEE_"),
}
"""Patterns of a day, a day with its year, and a weekday prefix; `_` is a no-break space. Months are
written out, because the full stop of an abbreviation could precede the one of a sentence."""


def instant_text(instant: datetime) -> str:
    """Return an instant in UTC as programs read it, in whole seconds: "2026-11-22T10:00:00Z"."""
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def local(instant: datetime, time_zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(time_zone))


def day(
    instant: datetime, time_zone: str, now: datetime, language: Language = Language.ENGLISH
) -> str:
    """ "24 Nov", or "24 Nov 2027" in another year."""
    return _day(local(instant, time_zone), local(now, time_zone), language)


def _day(then: date, today: date, language: Language) -> str:
    if language in PATTERNS:
        this_year, with_year, _ = PATTERNS[language]
        pattern = this_year if then.year == today.year else with_year
        return _formatted(then, pattern, language)
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {MONTHS[then.month - 1]}{year}"


def day_in_words(day: date, today: date, language: Language) -> str:
    """ "30 April", or "30 April 2027" in another year: for a sentence of an email."""
    this_year, with_year, _ = PATTERNS.get(language, ("d MMMM", "d MMMM y", ""))
    return _formatted(day, this_year if day.year == today.year else with_year, language)


def weekday_and_day(
    instant: datetime, time_zone: str, now: datetime, language: Language = Language.ENGLISH
) -> str:
    return _weekday_and_day(local(instant, time_zone), local(now, time_zone), language)


def _weekday_and_day(then: date, today: date, language: Language) -> str:
    weekday = f"{DAYS[then.weekday()]} "
    if language in PATTERNS:
        weekday = _formatted(then, PATTERNS[language][2], language)
    return f"{weekday}{_day(then, today, language)}"


def _formatted(day: date, pattern: str, language: Language) -> str:
    if language is Language.FRENCH and day.day == 1:
        pattern = pattern.replace("d_", "d'er'_")
    return format_date(day, pattern, locale=language).replace("_", "\N{NO-BREAK SPACE}")


def clock_time(instant: datetime, time_zone: str) -> str:
    return local(instant, time_zone).strftime("%H:%M")


def when(
    instant: datetime, time_zone: str, now: datetime, language: Language = Language.ENGLISH
) -> str:
    """ "Tue 24 Nov, 10:02": the exact time, for the future."""
    then = local(instant, time_zone)
    return f"{_weekday_and_day(then, local(now, time_zone), language)}, {then:%H:%M}"


def mailed(instant: datetime, time_zone: str, now: datetime, language: Language) -> str:
    """Format as `when`, with the name of the time zone, for emails."""
    zone = local(instant, time_zone).tzname()
    return f"{when(instant, time_zone, now, language)}\N{NO-BREAK SPACE}{zone}"


def since(instant: datetime, time_zone: str, now: datetime) -> str:
    """ "Today, 10:02", or as `when` on other days: for the past."""
    if local(instant, time_zone).date() == local(now, time_zone).date():
        return f"Today, {clock_time(instant, time_zone)}"
    return when(instant, time_zone, now)


def within(moment: str) -> str:
    """Convert the result of `since` for use inside a sentence: "today, 10:02"."""
    return moment.replace("Today", "today", 1)


def taken(span: timedelta) -> str:
    """Format a duration: "under 1 s", "4 s", "15 min", "3 h", "2 days"."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 48 * 3600 else f"{seconds // 86400} days"


def midnight(day: date, time_zone: str) -> datetime:
    """Return the start of a day in a time zone."""
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
