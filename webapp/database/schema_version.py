"""The check that the database schema has the version of this code.

Code must not run on another version, where a constraint it relies on may be missing. Until the
versions match, pages say that an update is being installed, and jobs wait.
"""

import time
from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from webapp.settings import ROOT

MIGRATIONS = str(ROOT / "migrations")
SCRIPT_LOCATION = MIGRATIONS.replace("%", "%%")
"""Path for Alembic's configuration, in which a percent sign must be escaped."""

UPGRADE = "flask --app wsgi db upgrade"

TRUSTED = 5.0
"""Seconds for which a successful check is cached; migrations can run while the server does."""


class OtherVersion(Exception):
    """The schema has another version than this code. `str()` is a line for the operator."""


class LostDatabase(OtherVersion):
    """The database is empty although the installation has been used; it is not recreated."""

    def __init__(self, what: str = "The database") -> None:
        super().__init__(
            f"{what} is empty, but this installation has been used: put the database back, correct "
            "DATABASE_URL, or restore a backup (flask --app wsgi restore FILE); to start over, set "
            "BALLAST_HOME to an empty folder"
        )


@cache
def versions() -> tuple[str, ...]:
    """Return the revisions of this code's migrations, newest first."""
    scripts = ScriptDirectory(MIGRATIONS)
    return tuple(script.revision for script in scripts.walk_revisions())


def check(session: Session) -> None:
    """Check the schema's version. Raises `OtherVersion`."""
    check_in(session.connection())


def check_in(connection: Connection) -> None:
    """Check the schema's version. Raises `OtherVersion`."""
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
    if is_too_old(found):
        raise OtherVersion(too_old(found))
    raise OtherVersion(
        f"The database is at {found}, which this code, at {wanted}, does not know; "
        "start the newer version"
    )


def is_too_old(found: str) -> bool:
    """Whether a database at revision `found` is older than this code's first migration."""
    return found.isdigit() and found < versions()[-1]


def too_old(found: str) -> str:
    """Return the remedy for a database that is too old, as a line for the operator."""
    return (
        f"The database is at {found}, and this code's migrations begin at {versions()[-1]}: "
        f"first run {UPGRADE} with the last version whose migrations begin at 0001 "
        '(docs/operations.md, "An old database")'
    )


def has_been_migrated(connection: Connection) -> bool:
    return connection.dialect.has_table(connection, "alembic_version")


def found_in(connection: Connection) -> str:
    """Return the schema's revision; empty if there are no tables."""
    if not has_been_migrated(connection):
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def require_known(connection: Connection) -> None:
    """Check before a migration. Raises `OtherVersion` for a schema that is too old or newer."""
    if found_in(connection) not in ("", *versions()):
        check_in(connection)


class Gate:
    """Caches a successful check for `TRUSTED` seconds in one process."""

    def __init__(self) -> None:
        self._trusted_until = 0.0

    def check(self, session: Session) -> None:
        """Check the version before any other work. Raises `OtherVersion`."""
        if time.monotonic() < self._trusted_until:
            return
        try:
            check(session)
        finally:
            session.rollback()
        self._trusted_until = time.monotonic() + TRUSTED
