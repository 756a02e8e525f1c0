"""Move an installation from SQLite to PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, create_engine

from webapp.backup.migrate import bring_up
from webapp.backup.moved_marker import leave_word, word_left
from webapp.backup.reader import require_agreement
from webapp.backup.rows import Watch, copy_rows, require_empty, tables
from webapp.backup.snapshot import file_of, view, writing
from webapp.database import schema_version
from webapp.domain.shared.errors import Conflict
from webapp.extensions import Services, tune
from webapp.reads.system.holdings import Holdings, read_holdings


@dataclass(frozen=True)
class Moved:
    to: str
    """Its address, without the password."""
    holdings: Holdings


def move_to(url: str, engine: Engine, services: Services, watch: Watch) -> Moved:
    """Copy all rows into an empty PostgreSQL database, prove it, and close the SQLite file to
    writers.

    Nobody else may have the file open meanwhile: no debit that was answered can be left behind.
    Raises `Conflict` where somebody has, and `Refusal` where the copy does not prove; the file
    then stays in use.
    """
    target = create_engine(url)
    tune(target)
    to = target.url.render_as_string(hide_password=True)
    if engine.dialect.name != "sqlite" or target.dialect.name != "postgresql":
        raise Conflict(
            "This leads from SQLite to PostgreSQL. Any other way leads through "
            "`flask backup` and `flask restore`."
        )
    with _alone_with(engine) as source:
        if word := word_left(file_of(source)):
            raise Conflict(word)
        schema_version.check_in(source)
        with view(target) as there:
            require_empty(there)
        require_agreement(source, services.sandbox, "The books must agree before they are moved")
        bring_up(target)
        with writing(target) as copy:
            require_empty(copy)
            copy_rows(source, copy, watch)
        require_agreement(target, services.sandbox, f"What is now in {to} does not prove")
        names = [table.name for table in tables()]
        leave_word(file_of(source), names, to, services.clock.now())
        moved = Moved(to, read_holdings(source))
    target.dispose()
    return moved


@contextmanager
def _alone_with(engine: Engine) -> Iterator[Connection]:
    """A write transaction on a SQLite file that no other process has open."""
    engine.dispose()
    with engine.connect().execution_options(writes=True) as connection:
        try:
            # SQLite leaves write-ahead mode only for the last one who has the file open.
            file_of(connection).execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            raise Conflict(
                "Another process has the database open. Stop the server, and `flask jobs start` "
                "where it runs, and try again."
            ) from error
        try:
            with connection.begin():
                yield connection
        finally:
            file_of(connection).execute("PRAGMA journal_mode = WAL")
