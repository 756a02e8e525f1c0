"""Which version the tables have, and which one this code was written for.

Code must not work on tables of another version: nobody would notice a guard that is not there yet.
Pages say that an update is being installed, jobs wait, and both go on by themselves once it is.
"""

import time
from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from webapp.settings import ROOT

MIGRATIONS = str(ROOT / "migrations")
SCRIPT_LOCATION = MIGRATIONS.replace("%", "%%")
"""As alembic's configuration takes it, where a percent sign begins an interpolation."""

UPGRADE = "flask --app wsgi db upgrade"

TRUSTED = 5.0
"""Seconds for which the answer is not asked for again: a migration may come while this runs."""


class OtherVersion(Exception):
    """The tables are not this code's; str() is a line for the operator."""


class LostDatabase(OtherVersion):
    """There is no data where there was some: nothing is begun anew without a word."""

    def __init__(self, what: str = "The database") -> None:
        super().__init__(
            f"{what} is empty, and this installation has been used: put the database back, correct "
            "DATABASE_URL, or restore a backup (flask --app wsgi restore FILE); to begin anew, set "
            "BALLAST_HOME to an empty folder"
        )


@cache
def versions() -> tuple[str, ...]:
    """The migrations this code knows, the newest first."""
    scripts = ScriptDirectory(MIGRATIONS)
    return tuple(script.revision for script in scripts.walk_revisions())


def check(session: Session) -> None:
    """Raises `OtherVersion`."""
    check_in(session.connection())


def check_in(connection: Connection) -> None:
    """Raises `OtherVersion`."""
    found, wanted = found_in(connection), versions()[0]
    if found == wanted:
        return
    if not found:
        raise OtherVersion(f"The database is empty: run {UPGRADE}")
    if found in versions():
        raise OtherVersion(
            f"A migration is pending: the database is at {found}, this code at {wanted}; "
            f"run {UPGRADE}"
        )
    raise OtherVersion(
        f"The database is at {found}, which this code, at {wanted}, does not know; "
        "start the newer version"
    )


def has_been_migrated(connection: Connection) -> bool:
    return connection.dialect.has_table(connection, "alembic_version")


def found_in(connection: Connection) -> str:
    """Empty where there are no tables at all."""
    if not has_been_migrated(connection):
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def require_known(connection: Connection) -> None:
    """Before tables are migrated. Raises `OtherVersion` for those of a newer Ballast."""
    if found_in(connection) not in ("", *versions()):
        check_in(connection)


class Gate:
    """What one process knows of it, so that not every request asks."""

    def __init__(self) -> None:
        self._trusted_until = 0.0

    def check(self, session: Session) -> None:
        """To be asked before anything is begun. Raises `OtherVersion`."""
        if time.monotonic() < self._trusted_until:
            return
        try:
            check(session)
        finally:
            session.rollback()
        self._trusted_until = time.monotonic() + TRUSTED
