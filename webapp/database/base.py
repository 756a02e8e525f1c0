"""What every record shares: the declarative base, UTC instants and the start of a write."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVarTuple

from sqlalchemy import ColumnElement, CursorResult, DateTime, MetaData, Select, literal_column, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC. SQLite forgets the zone, so it is put back on reading."""

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
    """As SQLite keeps an instant, for statements that take many of them in one JSON text."""
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[: -len("+00:00")]


class Base(DeclarativeBase):
    # Named constraints, because migrations must be able to drop what they made.
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
    """Run what asks for columns alone, and see what is pending, as the session itself would; that
    looks for records among them, for as long as the statement takes.
    """
    session.flush()
    return session.connection().execute(statement, values)


def sql_literal(constant: StrEnum | int) -> ColumnElement[Any]:
    """A constant that stands in the statement and is no parameter of it.

    Whether a partial index may be used depends on it: SQLite plans a statement anew each time it is
    run where that hangs on a parameter.
    """
    return literal_column(f"'{constant}'" if isinstance(constant, StrEnum) else str(constant))


CHANNEL = "ballast_due"


def notify_workers(session: Session) -> None:
    """Wake the workers of other processes when this transaction commits.

    Only PostgreSQL can (`background/notify_listener.py`); elsewhere the workers poll.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))


def begin_writing(session: Session) -> None:
    """Start a transaction that will write.

    SQLite cannot turn a transaction that has read into one that writes once another writer has
    committed: it answers "database is locked" at once, whatever the time-out. So what was read
    before is let go, and the lock is taken first (BEGIN IMMEDIATE, see `extensions.py`).
    """
    session.rollback()
    session.connection(execution_options={"writes": True})
