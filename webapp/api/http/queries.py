"""Query parameters shared by all lists: pagination and date range."""

from re import fullmatch
from typing import Annotated

from pydantic import Field
from pydantic import WithJsonSchema as Schema
from pydantic.json_schema import SkipJsonSchema

from webapp.api.openapi.fields import Body, Instant, reader

MOST = 100
CURSOR = "[1-9][0-9]{0,8}"

Absent = SkipJsonSchema[None]
"""A parameter can be left out, but is never null."""


def _limit(text: str) -> int:
    if fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= MOST:
        return int(text)
    raise ValueError(f"Must be a whole number from 1 to {MOST}")


def _cursor(text: str) -> int:
    if fullmatch(CURSOR, text):
        return int(text)
    raise ValueError("Must be the next_cursor of the previous page")


Limit = Annotated[int, reader(_limit), Schema({"type": "integer", "minimum": 1, "maximum": MOST})]
Cursor = Annotated[
    int, reader(_cursor), Schema({"type": "string", "pattern": f"^{CURSOR}$", "examples": ["120"]})
]


class Page(Body):
    limit: Limit = Field(50, description="Maximum number of items on the page.")
    cursor: Cursor | Absent = Field(None, description="`next_cursor` of the previous page.")


class Dated(Page):
    since: Instant | Absent = Field(None, description="Only items at or after this instant.")
    until: Instant | Absent = Field(None, description="Only items before this instant.")
