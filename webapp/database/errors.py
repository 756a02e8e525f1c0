"""Classification of database errors that are outages.

An outage is not caused by the request: committed data is safe, and the request can be repeated
once it is over.
"""

import errno
import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection


class Fault(StrEnum):
    """Kinds of database outages."""

    ABSENT = "absent"
    READ_ONLY = "read_only"
    FULL = "full"
    BUSY = "busy"
    DAMAGED = "damaged"


SENTENCES = {
    Fault.ABSENT: "The database is missing or does not respond",
    Fault.READ_ONLY: "The database is read-only",
    Fault.FULL: "The disk is full or not writable",
    Fault.BUSY: "The database is locked or overloaded",
    Fault.DAMAGED: "The database file is damaged",
}
"""Messages for the operator. Customers see a general message."""

# https://www.sqlite.org/rescode.html
SQLITE = {
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
    sqlite3.SQLITE_IOERR: Fault.FULL,
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_CANTOPEN: Fault.ABSENT,
    sqlite3.SQLITE_READONLY_DBMOVED: Fault.ABSENT,
    sqlite3.SQLITE_IOERR_READ: Fault.ABSENT,
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html; matched by prefix, in this order.
POSTGRES = {
    "08": Fault.ABSENT,
    "57P": Fault.ABSENT,
    "25006": Fault.READ_ONLY,
    "53100": Fault.FULL,
    "53": Fault.BUSY,
    "55P03": Fault.BUSY,
    "57014": Fault.BUSY,
    "XX001": Fault.DAMAGED,
    "XX002": Fault.DAMAGED,
}

DISK = {
    errno.ENOSPC: Fault.FULL,
    errno.EDQUOT: Fault.FULL,
    errno.EFBIG: Fault.FULL,
    errno.EROFS: Fault.READ_ONLY,
}


def fault_of(error: BaseException | None) -> Fault | None:
    """Return the kind of outage; None for a bug or an error of the request."""
    if isinstance(error, NoFreeConnection):
        return Fault.BUSY
    if isinstance(error, DBAPIError):
        return fault_of(error.orig) or (Fault.ABSENT if _is_cut_off(error) else None)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        return SQLITE.get(code) or SQLITE.get(code & 0xFF)  # the low byte is the kind
    if isinstance(error, OSError):
        return DISK.get(error.errno or 0)
    state = str(getattr(error, "sqlstate", ""))
    return next((fault for start, fault in POSTGRES.items() if state.startswith(start)), None)


def is_uncertain(error: BaseException) -> bool:
    """Return whether the connection was lost, so that the last statement may have taken effect."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _is_cut_off(error: DBAPIError) -> bool:
    """Return whether the connection was lost or could not be made (no SQLSTATE)."""
    no_response = getattr(error.orig, "sqlstate", "") is None
    return is_uncertain(error) or (no_response and isinstance(error, OperationalError))
