"""Views that stand still for as long as a copy takes, while everybody else goes on writing."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import URL, Connection, Engine, create_engine, text

from webapp.database.schema_version import found_in
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.errors import Refusal
from webapp.extensions import tune
from webapp.processors.sandbox.books import SandboxBooks


@contextmanager
def one_moment(
    engine: Engine, books: SandboxBooks | None
) -> Iterator[tuple[Connection, sqlite3.Connection | None]]:
    """The database and the sandbox's books as they stood at one and the same moment.

    Two copies taken one after the other would not fit. Books before database: the database may
    have a credit whose charge the copied books lack, and nothing can ever mend that. Database
    before books: there may be charges of attempts that the copied database has never heard of. So
    for the few milliseconds in which both views begin, no attempt can be written or settled. Each
    is committed before its charge and settled after it (L3), so every charge in the view of the
    books then has its attempt in the view of the database, and every credit its charge.

    A real processor keeps its own books, which are always ahead of a copy: see docs/backup.md.
    """
    with ExitStack() as stack:
        with _attempts_standing_still(engine):
            database = stack.enter_context(view(engine))
            pretend = stack.enter_context(books.view()) if books else None
        yield database, pretend


@contextmanager
def view(engine: Engine) -> Iterator[Connection]:
    """One view of a database for all that is read from it, as `extensions.tune` has it."""
    with engine.connect() as connection, connection.begin():
        found_in(connection)  # a view begins with the first thing that is read
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: all of it, or nothing."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def _attempts_standing_still(engine: Engine) -> Iterator[None]:
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"LOCK TABLE {Attempt.__tablename__} IN SHARE MODE"))
        yield


def open_sqlite(file: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(file)))
    tune(engine)
    return engine


def file_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what SQLAlchemy has no words for."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def copy_pages(source: sqlite3.Connection, file: Path) -> None:
    """SQLite's online backup: what the source's transaction sees, page by page."""
    try:
        with closing(sqlite3.connect(file)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise Refusal(f"{file.name} could not be copied: {error}.") from error
