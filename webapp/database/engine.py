"""Connection settings and transaction modes of SQLite and PostgreSQL."""

from threading import Lock
from typing import TYPE_CHECKING, cast

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from webapp.database.pooler import POOLED, is_pooled

if TYPE_CHECKING:
    import psycopg

PATIENCE = 15
"""Seconds that a writer waits for a lock."""

LOCK_TIMEOUT = f"lock_timeout = '{PATIENCE}s'"

AUTOCOMMIT = "autocommit"
"""Execution option: each statement sees the newest state. Saves SQLite two statements."""

WRITE_LOCK = "write_lock"
"""Key in `connection.info` of the write lock that an SQLite connection holds."""


def tune(engine: Engine) -> None:
    """Set up isolation and locking.

    A read transaction sees one snapshot. A write transaction, which starts with
    `transactions.begin_writing`, waits for earlier writers and sees their changes.
    """
    tune_sqlite(engine) if engine.dialect.name == "sqlite" else tune_postgres(engine)


def tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # Disables the driver's implicit BEGIN; the `begin` listener below issues it.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode = WAL",  # a writer does not block readers
            "synchronous = FULL",  # committed transactions survive a power cut
            "foreign_keys = ON",
            f"busy_timeout = {PATIENCE * 1000}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    # SQLite's waiting writers poll with sleeps; this lock wakes the next one at once.
    write_lock = Lock()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(AUTOCOMMIT):
            return
        if not options.get("writes"):
            # With the driver, because every request does this. SQLAlchemy would only translate
            # errors, and this BEGIN takes no lock that could cause one.
            connection.connection.cursor().execute("BEGIN")
            return
        # The lock belongs to the connection until it is returned to the pool. A detached
        # connection is never returned, so it takes no lock.
        needs_lock = WRITE_LOCK not in connection.info and not connection.connection.is_detached
        if needs_lock and write_lock.acquire(timeout=PATIENCE):
            connection.info[WRITE_LOCK] = write_lock
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def release_lock(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        if (held := record.info.pop(WRITE_LOCK, None)) is not None:
            held.release()


def tune_postgres(engine: Engine) -> None:
    from psycopg import IsolationLevel  # imported only if PostgreSQL is used, to save memory

    @event.listens_for(engine, "connect")
    def prepare(connection: "psycopg.Connection", record: ConnectionPoolEntry) -> None:
        connection.autocommit = True
        record.info[POOLED] = is_pooled(connection)
        if record.info[POOLED]:
            # The next transaction may run in a session without the prepared statement.
            connection.prepare_threshold = None
        else:
            for setting in (
                LOCK_TIMEOUT,
                # Locks of an unreachable client are released after a minute instead of two hours.
                "tcp_keepalives_idle = 30",
                "tcp_keepalives_interval = 10",
                "tcp_keepalives_count = 3",
            ):
                connection.execute(f"SET {setting}")
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        driver = cast("psycopg.Connection", connection.connection.driver_connection)
        # psycopg begins the transaction with this level at the first statement.
        driver.isolation_level = (
            IsolationLevel.READ_COMMITTED if writes else IsolationLevel.REPEATABLE_READ
        )
        if connection.info.get(POOLED):
            connection.exec_driver_sql(f"SET LOCAL {LOCK_TIMEOUT}")
