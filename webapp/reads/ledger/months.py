"""Calendar months of a statement, in the account's time zone (P4)."""

from dataclasses import dataclass
from datetime import datetime
from re import compile as pattern
from zoneinfo import ZoneInfo

from webapp.domain.shared import datetimes

_KEY = pattern(r"(?a:(2\d{3})-(0[1-9]|1[0-2]))")

NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Month:
    year: int
    number: int
    """1 is January."""

    @classmethod
    def parse(cls, text: str) -> "Month | None":
        """Parse "2026-11"; None if the text is not a month."""
        found = _KEY.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None

    @classmethod
    def of(cls, instant: datetime, time_zone: str) -> "Month":
        then = datetimes.local(instant, time_zone)
        return cls(then.year, then.month)

    @property
    def key(self) -> str:
        return f"{self.year}-{self.number:02d}"

    @property
    def name(self) -> str:
        return f"{NAMES[self.number - 1]} {self.year}"

    @property
    def previous(self) -> "Month":
        return Month(self.year - 1, 12) if self.number == 1 else Month(self.year, self.number - 1)

    @property
    def next(self) -> "Month":
        return Month(self.year + 1, 1) if self.number == 12 else Month(self.year, self.number + 1)

    def bounds(self, time_zone: str) -> tuple[datetime, datetime]:
        """Return the first instant of this month and of the next."""
        zone, after = ZoneInfo(time_zone), self.next
        first = datetime(self.year, self.number, 1, tzinfo=zone)
        return first, datetime(after.year, after.number, 1, tzinfo=zone)
