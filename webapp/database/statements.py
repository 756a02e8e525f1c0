"""Building blocks of SQL statements for both dialects."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
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


class RowQuery:
    """A query of at most one row, found by a text or an integer.

    On SQLite the driver runs it, outside the session's transaction, because SQLAlchemy takes ten
    times as long as SQLite to find a row. Parameters reach the driver as they are, and encrypted
    columns are not decrypted.
    """

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        self._query = query

    def row(self, session: Session, values: Mapping[str, str | int]) -> Sequence[Any] | None:
        """Return the row; None if there is none."""
        engine = session.get_bind().engine
        if engine.dialect.name != "sqlite":
            return session.connection().execute(self._query, values).one_or_none()
        sql, names, processors = self._for_sqlite
        with closing(engine.raw_connection()) as pooled:
            cursor = pooled.cursor()
            cursor.execute(sql, [values[name] for name in names])
            row = cursor.fetchone()
        if row is None:
            return None
        return [read(value) if read else value for read, value in zip(processors, row, strict=True)]

    @cached_property
    def _for_sqlite(self) -> tuple[str, Sequence[str], Sequence[Any]]:
        """The SQL, the names of its parameters in order, and how to read each column."""
        dialect = sqlite.dialect()
        compiled = self._query.compile(dialect=dialect)
        types = (column.type.dialect_impl(dialect) for column in self._query.selected_columns)
        processors = [its.result_processor(dialect, None) for its in types]
        return str(compiled), compiled.positiontup or [], processors


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
