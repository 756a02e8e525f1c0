"""The declarative base, the column type of instants, and partial indexes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, DateTime, Index, MetaData, literal_column, text
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine


class ZonedText(DATETIME):
    """SQLite's text of an instant, which is stored without a time zone: it is read with UTC's.

    The statement adds the offset, so that SQLAlchemy's compiled parser returns aware instants and
    no Python function is called for each value. SQL that is written as text must add it itself.
    """

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column.op("||", return_type=column.type)(literal_column("'+00:00'"))


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, on either database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return ZonedText()  # type: ignore[no-untyped-call]
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive instant cannot be stored: {value}")
        return value.astimezone(UTC)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """Return the conversion of a value: SQLite's parser; for PostgreSQL, `in_utc`."""
        return self.impl_instance.result_processor(dialect, coltype) or in_utc


def in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


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


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Index only the rows where the SQL condition `where` holds, on either database."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
