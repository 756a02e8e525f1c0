"""Pagination by cursor, newest first."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from webapp.domain.shared.context import Context

Row = TypeVar("Row")


def page_of(
    ctx: Context,
    query: "Select[Row]",
    number: InstrumentedAttribute[int],
    before: int | None,
    limit: int,
) -> tuple[Sequence[Row], str | None]:
    """Return up to `limit` rows before `before`, and the next page's cursor, the last row's id."""
    if before is not None:
        query = query.where(number < before)
    found: Sequence[Any] = ctx.session.scalars(query.order_by(number.desc()).limit(limit + 1)).all()
    shown = found[:limit]
    more = len(found) > limit
    return shown, str(getattr(shown[-1], number.key)) if more else None
