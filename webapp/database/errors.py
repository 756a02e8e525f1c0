"""What is wrong when the database cannot be used, told from its driver's error.

These are faults of the surroundings and not of a request: they pass, what was committed stays, and
whoever asked may ask again.
"""

import errno
import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection


class Fault(StrEnum):
    ABSENT = "absent"
    READ_ONLY = "read_only"
    FULL = "full"
    BUSY = "busy"
    DAMAGED = "damaged"


SENTENCES = {
    Fault.ABSENT: "The database is absent or does not answer",
    Fault.READ_ONLY: "The database is read-only",
    Fault.FULL: "The disk is full, or nothing can be written to it",
    Fault.BUSY: "The database is held up by someone else",
    Fault.DAMAGED: "The database file is damaged",
}
"""For the operator; a person reads a calmer one."""

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

# https://www.postgresql.org/docs/current/errcodes-appendix.html; what is short is a whole class.
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
    """None for an error that is ours, or the request's."""
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
    """The line was cut while it was used: what was asked last may have been done."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _is_cut_off(error: DBAPIError) -> bool:
    """The line was cut, or there never was one: then the server has said nothing."""
    unheard = getattr(error.orig, "sqlstate", "") is None
    return is_uncertain(error) or (unheard and isinstance(error, OperationalError))
