"""The one place where the wall clock is read.

Everything else is handed `now`. In the sandbox a stored offset moves the clock for web and
jobs alike, so that 48 hours can pass in a click.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def no_offset() -> timedelta:
    return timedelta(0)


class Clock:
    def __init__(self, offset: Callable[[], timedelta] = no_offset) -> None:
        self._offset = offset

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        return datetime.now(UTC) + self._offset()

    def wall(self) -> datetime:
        """The same without the sandbox's offset: moving its clock ends no session."""
        return datetime.now(UTC)
