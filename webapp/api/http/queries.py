"""Query parameters shared by all lists: pagination and date range."""

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
        raise Bad("Must be the next_cursor of the previous page")


@dataclass(frozen=True)
class Page:
    limit: Annotated[int, Whole(1, MOST)] = 50
    """Maximum number of items on the page."""
    cursor: Annotated[int, Cursor()] | None = None
    """`next_cursor` of the previous page."""


@dataclass(frozen=True)
class Dated(Page):
    since: datetime | None = None
    """Only items at or after this instant."""
    until: datetime | None = None
    """Only items before this instant."""
