"""What the addresses of lists have in common."""

from dataclasses import dataclass
from datetime import datetime
from re import fullmatch
from typing import Annotated

from webapp.api.openapi.fields import Bad, Whole

MOST = 100


class Cursor:
    written = "[1-9][0-9]{0,8}"
    schema = {"type": "string", "pattern": f"^{written}$", "examples": ["120"]}  # noqa: RUF012

    def read(self, value: object) -> int:
        if isinstance(value, str) and fullmatch(self.written, value):
            return int(value)
        raise Bad("Send back next_cursor as it came")


@dataclass(frozen=True)
class Page:
    limit: Annotated[int, Whole(1, MOST)] = 50
    """How many at most."""
    cursor: Annotated[int, Cursor()] | None = None
    """`next_cursor` of the page before this one."""


@dataclass(frozen=True)
class Dated(Page):
    since: datetime | None = None
    """Not before this instant."""
    until: datetime | None = None
    """Before this instant."""
