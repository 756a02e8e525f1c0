"""Consistent read views for copies, while other processes continue to write."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import URL, Connection, Engine, create_engine, text

from webapp.database.engine import tune
from webapp.database.schema_version import found_in
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.errors import Refusal
from webapp.processors.sandbox.books import SandboxBooks


@contextmanager
def consistent_view(
    engine: Engine, books: SandboxBooks | None
) -> Iterator[tuple[Connection, sqlite3.Connection | None]]:
    """The database and the sandbox's books as of the same moment.

    Two copies taken one after the other would not match. If the books were copied first, the
    database could contain a credit whose charge is missing in the books, which cannot be repaired.
    If the database were copied first, the books could contain charges without an attempt. So no
    attempt can be written or settled during the few milliseconds in which both views begin. An
    attempt is committed before its charge and settled after it (L3), so every charge in the books
    then has its attempt in the database, and every credit its charge.

    A real processor's books are always ahead of a copy: see docs/backup.md.
    """
    with ExitStack() as stack:
        with _attempts_locked(engine):
            database = stack.enter_context(view(engine))
            books_view = stack.enter_context(books.view()) if books else None
        yield database, books_view


@contextmanager
def view(engine: Engine) -> Iterator[Connection]:
    """A read transaction with one view of the database; see `extensions.tune`."""
    with engine.connect() as connection, connection.begin():
        found_in(connection)  # the view begins with the first read
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction, committed at the end."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def _attempts_locked(engine: Engine) -> Iterator[None]:
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"LOCK TABLE {Attempt.__tablename__} IN SHARE MODE"))
        yield


def open_sqlite(file: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(file)))
    tune(engine)
    return engine


def file_of(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, for SQLite functions that SQLAlchemy does not offer."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def copy_pages(source: sqlite3.Connection, file: Path) -> None:
    """Copy the view of the source's transaction page by page, by SQLite's online backup."""
    try:
        with closing(sqlite3.connect(file)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise Refusal(f"{file.name} could not be copied: {error}.") from error
