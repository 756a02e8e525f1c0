"""Classification of driver errors: failures of the database, or bugs."""

import sqlite3
from errno import EDQUOT, EFBIG, ENOENT, ENOSPC, EROFS

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from webapp.database.errors import Fault, fault_of, is_uncertain


def sqlite(code):
    error = sqlite3.OperationalError("…")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (sqlite3.SQLITE_FULL, Fault.FULL),
        (sqlite3.SQLITE_IOERR_WRITE, Fault.FULL),
        (sqlite3.SQLITE_IOERR_FSYNC, Fault.FULL),
        (sqlite3.SQLITE_IOERR_READ, Fault.ABSENT),
        (sqlite3.SQLITE_READONLY, Fault.READ_ONLY),
        (sqlite3.SQLITE_READONLY_DIRECTORY, Fault.READ_ONLY),
        (sqlite3.SQLITE_READONLY_DBMOVED, Fault.ABSENT),
        (sqlite3.SQLITE_BUSY, Fault.BUSY),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Fault.BUSY),
        (sqlite3.SQLITE_CANTOPEN, Fault.ABSENT),
        (sqlite3.SQLITE_NOTADB, Fault.DAMAGED),
        (sqlite3.SQLITE_CORRUPT, Fault.DAMAGED),
        (sqlite3.SQLITE_ERROR, None),
        (sqlite3.SQLITE_CONSTRAINT, None),
    ],
)
def test_sqlite_errors_are_classified(code, fault):
    assert fault_of(sqlite(code)) == fault
    assert fault_of(OperationalError("SELECT 1", {}, sqlite(code))) == fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errors.AdminShutdown, Fault.ABSENT),
        (errors.CannotConnectNow, Fault.ABSENT),
        (errors.ConnectionFailure, Fault.ABSENT),
        (psycopg.OperationalError, Fault.ABSENT),
        (errors.ReadOnlySqlTransaction, Fault.READ_ONLY),
        (errors.DiskFull, Fault.FULL),
        (errors.TooManyConnections, Fault.BUSY),
        (errors.LockNotAvailable, Fault.BUSY),
        (errors.DataCorrupted, Fault.DAMAGED),
        (errors.DeadlockDetected, None),
        (errors.SerializationFailure, None),
        (errors.UniqueViolation, None),
    ],
)
def test_postgresql_errors_are_classified(error, fault):
    wrapped = OperationalError("SELECT 1", {}, error("…"))
    assert fault_of(wrapped) == fault


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (ENOSPC, Fault.FULL),
        (EDQUOT, Fault.FULL),
        (EFBIG, Fault.FULL),
        (EROFS, Fault.READ_ONLY),
        (ENOENT, None),
    ],
)
def test_disk_errors_are_classified(code, fault):
    """L5: for example when a proof of payment is uploaded."""
    assert fault_of(OSError(code, "…")) == fault


def test_other_errors_are_classified():
    assert fault_of(NoFreeConnection()) is Fault.BUSY
    assert fault_of(ProgrammingError("SELECT 1", {}, errors.UndefinedTable("…"))) is None
    assert fault_of(InterfaceError("SELECT 1", {}, psycopg.InterfaceError("…"))) is None
    assert fault_of(ValueError("…")) is None
    assert fault_of(None) is None


def test_a_lost_connection_during_a_commit_is_uncertain():
    """L3: the commit may have happened."""
    cut = OperationalError("COMMIT", {}, psycopg.OperationalError("…"), connection_invalidated=True)
    assert fault_of(cut) is Fault.ABSENT
    assert is_uncertain(cut)
    assert not is_uncertain(OperationalError("COMMIT", {}, sqlite(sqlite3.SQLITE_FULL)))
