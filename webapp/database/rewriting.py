"""Rewrite SQLite files without the remains of deleted and changed rows."""

import sqlite3

from sqlalchemy import Engine


def rewrite(engine: Engine) -> None:
    """Rewrite the file and empty its write-ahead log; on PostgreSQL, do nothing.

    Takes about a minute per gigabyte, in which nobody else can write. Raises
    `sqlite3.OperationalError` if the file is in use for longer than the engine's patience.
    """
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:  # a reader still uses the log; SQLite only reports it
            locked = sqlite3.OperationalError("database is locked")
            locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise locked
    finally:
        connection.close()
