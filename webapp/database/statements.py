"""Building blocks of SQL statements for both dialects."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, CursorResult, Insert, Select, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.database.base import Base

Values = TypeVarTuple("Values")


def select_columns(
    session: Session, statement: Select[*Values], values: Mapping[str, object]
) -> CursorResult[*Values]:
    """Execute a column-only SELECT after flushing.

    Faster than `session.execute`, which scans the result for entities.
    """
    session.flush()
    return session.connection().execute(statement, values)


def sql_literal(constant: StrEnum | int) -> ColumnElement[Any]:
    """Return a constant as part of the SQL text instead of a parameter.

    SQLite can then use a partial index without planning the statement again for each execution.
    """
    return literal_column(f"'{constant}'" if isinstance(constant, StrEnum) else str(constant))


def sqlite_timestamp(instant: datetime) -> str:
    """Format an instant as SQLite stores it, for statements with literal or JSON values."""
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[: -len("+00:00")]


def insert_or_ignore(session: Session, record: type[Base], **values: object) -> Insert:
    """Insert a row, or nothing where a unique constraint forbids it."""
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert(record) if dialect == "sqlite" else postgresql.insert(record)
    return insert.values(**values).on_conflict_do_nothing()
