"""Rewrite SQLite files without the remains of deleted and changed rows."""

from sqlalchemy import Engine


def rewrite(engine: Engine) -> None:
    """Rewrite the file and empty its write-ahead log; on PostgreSQL, do nothing.

    Takes about a minute per gigabyte, in which nobody else can write. Raises `OperationalError` if
    the file is in use for longer than the engine's patience.
    """
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
