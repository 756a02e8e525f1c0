"""The clock. No other module reads the wall clock; they receive `now` as an argument.

In the sandbox a stored offset shifts the clock for web and jobs alike, for example by 48 hours.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def no_offset() -> timedelta:
    return timedelta(0)


class Clock:
    """The wall clock plus the sandbox's offset."""

    def __init__(self, offset: Callable[[], timedelta] = no_offset) -> None:
        self._offset = offset

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        return datetime.now(UTC) + self._offset()

    def wall(self) -> datetime:
        """Return the time without the sandbox's offset, so that shifting it ends no session."""
        return datetime.now(UTC)
