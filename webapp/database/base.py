"""The declarative base, the column type of instants, and helpers for statements."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVarTuple

from sqlalchemy import ColumnElement, CursorResult, DateTime, MetaData, Select, literal_column, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite does not store the time zone, so reading restores it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive instant cannot be stored: {value}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def sqlite_timestamp(instant: datetime) -> str:
    """Format an instant as SQLite stores it, for statements with literal or JSON values."""
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[: -len("+00:00")]


class Base(DeclarativeBase):
    # Migrations can only drop constraints that have a name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}


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


CHANNEL = "ballast_due"


def notify_workers(session: Session) -> None:
    """Wake the workers of other processes when this transaction commits.

    Only PostgreSQL supports it (`background/notify_listener.py`); on SQLite the workers poll.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))


def begin_writing(session: Session) -> None:
    """Roll back, and start a write transaction.

    SQLite cannot upgrade a read transaction after another writer has committed: it fails with
    "database is locked" at once, whatever the timeout. So the write lock is taken at the start
    (BEGIN IMMEDIATE, see `extensions.py`), and records that were read before are discarded.
    """
    session.rollback()
    session.connection(execution_options={"writes": True})
