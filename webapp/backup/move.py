"""Move an installation from SQLite to PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, create_engine

from webapp.backup.migrate import migrate
from webapp.backup.moved_marker import mark_moved, moved_notice
from webapp.backup.reader import require_agreement
from webapp.backup.rows import Watch, copy_rows, require_empty, tables
from webapp.backup.snapshot import file_of, view, writing
from webapp.database import schema_version
from webapp.database.engine import tune
from webapp.domain.shared.errors import Conflict
from webapp.extensions import Services
from webapp.reads.system.holdings import Holdings, read_holdings


@dataclass(frozen=True)
class Moved:
    to: str
    """The new database's URL without the password."""
    holdings: Holdings


def move_to(url: str, engine: Engine, services: Services, watch: Watch) -> Moved:
    """Copy all rows into an empty PostgreSQL database, verify them, and block writes to the SQLite
    file.

    No other process may have the file open, so that no committed debit is left behind. Raises
    `Conflict` if one has, or `Refusal` if the copy cannot be verified; the file then stays in use.
    """
    target = create_engine(url)
    tune(target)
    to = target.url.render_as_string(hide_password=True)
    if engine.dialect.name != "sqlite" or target.dialect.name != "postgresql":
        raise Conflict(
            "This command moves from SQLite to PostgreSQL only. For other moves use `flask backup` "
            "and `flask restore`."
        )
    with _exclusive(engine) as source:
        if notice := moved_notice(file_of(source)):
            raise Conflict(notice)
        schema_version.check_in(source)
        with view(target) as existing:
            require_empty(existing)
        require_agreement(source, services.sandbox, "The ledger must be correct before the move")
        migrate(target)
        with writing(target) as copy:
            require_empty(copy)
            copy_rows(source, copy, watch)
        require_agreement(target, services.sandbox, f"The copy in {to} cannot be verified")
        names = [table.name for table in tables()]
        mark_moved(file_of(source), names, to, services.clock.now())
        moved = Moved(to, read_holdings(source))
    target.dispose()
    return moved


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """A write transaction on a SQLite file that no other process has open."""
    engine.dispose()
    with engine.connect().execution_options(writes=True) as connection:
        try:
            # SQLite leaves WAL mode only if no other connection has the file open.
            file_of(connection).execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            raise Conflict(
                "Another process has the database open. Stop the server, and `flask jobs start` "
                "if it runs, and try again."
            ) from error
        try:
            with connection.begin():
                yield connection
        finally:
            file_of(connection).execute("PRAGMA journal_mode = WAL")
