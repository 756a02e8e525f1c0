"""The sandbox's SQLite file, separate from the product's database.

Its connections are set up like the product's: writers take the lock at the start of their
transaction, so threads and processes can share the file, and a booked charge survives a power
failure.
"""

import hmac
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar, cast

from sqlalchemy import URL, Connection, Engine, Enum, Text, create_engine, inspect, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from webapp.database.engine import AUTOCOMMIT, PATIENCE, tune_sqlite
from webapp.database.errors import Fault, fault_of

STORE_ERRORS = (DBAPIError, sqlite3.Error)
"""What a store raises if its file cannot be used, for example on a full disk."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as sortable text in UTC."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if value else None


class Base(DeclarativeBase):
    """Base of the records, which are created as the tables of a new file."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Instant,
        str: Text,
        StrEnum: Enum(
            StrEnum, native_enum=False, values_callable=lambda kinds: [str(kind) for kind in kinds]
        ),
    }


class Setting(Base):
    """The clock's offset, the latency, and the secrets of this file."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Store:
    """The file at `path`. Folder, file and tables are created if they are missing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            URL.create("sqlite", database=str(path)), max_overflow=-1, pool_use_lifo=True
        )
        tune_sqlite(engine)
        self.bind(engine)
        self._await_first_connection()
        self._create_tables()

    def bind(self, engine: Engine) -> None:
        self.engine = engine
        self._reads = engine.execution_options(**{AUTOCOMMIT: True})

    def connect(self) -> Connection:
        """A connection for statements that every charge runs; records cost too much there."""
        return self._reads.connect()

    def reading(self) -> Session:
        """A session in which each statement sees the newest state."""
        return Session(self._reads)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A write transaction, committed at the end. Its records can be read afterwards."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.connection(execution_options={"writes": True})
            yield session

    def setting(self, name: str, default: str = "") -> str:
        """Read a setting with the driver, because the clock needs one at every `now`."""
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT value FROM setting WHERE name = ?", (name,))
            row = cursor.fetchone()
        finally:
            connection.close()
        return default if row is None else str(row[0])

    def keyed_digest(self, text: str) -> str:
        """Digest with a secret of this file, so that it cannot be computed elsewhere."""
        secret = self.setting("fingerprint_secret")
        return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """A connection with a consistent view of the file, for a backup."""
        with self.engine.connect() as connection:
            connection.execute(select(Setting.name).limit(1))  # the view begins with the first read
            yield cast(sqlite3.Connection, connection.connection.driver_connection)

    def replace_by(self, copy: Path) -> None:
        """Replace the contents by those of a copy, also for other open connections."""
        with closing(sqlite3.connect(copy)) as source:
            target = self.engine.raw_connection()
            try:
                source.backup(cast(sqlite3.Connection, target.driver_connection))
            finally:
                target.close()
        self._create_tables()  # the copy may be older than the newest table

    def close(self) -> None:
        """Close the idle connections; the next use opens others."""
        self.engine.dispose()

    def _await_first_connection(self) -> None:
        """Open a connection, which switches a new file to WAL mode.

        SQLite does not wait for the lock of this switch, so it is retried.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.engine.connect().close()
                return
            except OperationalError as error:
                if fault_of(error) is not Fault.BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _create_tables(self) -> None:
        if set(inspect(self.engine).get_table_names()) >= Base.metadata.tables.keys():
            return  # a read-only file stays readable
        with self.writing() as session:
            connection = session.connection()
            Base.metadata.create_all(connection)
            # Fingerprints of card numbers are keyed, so that a copy of the product's database does
            # not reveal the numbers.
            for secret in ("fingerprint_secret", "webhook_secret"):
                fresh = insert(Setting).values(name=secret, value=token_hex(32))
                connection.execute(fresh.on_conflict_do_nothing())
