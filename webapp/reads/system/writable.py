"""Check that the database accepts writes, by a write that is rolled back."""

from sqlalchemy.engine import Connection, Engine

PATIENCE = 2_000
"""Milliseconds to wait for another writer."""

SCRAP = 65_536
"""Bytes; more than a cache of one page holds, so that SQLite writes them to the disk."""


def check_writable(engine: Engine) -> None:
    """Raises the database's error if it refuses the write."""
    with engine.connect() as connection:
        probe = _sqlite if engine.dialect.name == "sqlite" else _postgres
        probe(connection)
        connection.rollback()


def _sqlite(connection: Connection) -> None:
    """Write a table that is never committed; a cache of one page forces it to the disk."""
    connection.detach()  # not returned to the pool, so these pragmas affect nothing else
    for pragma in (f"busy_timeout = {PATIENCE}", "cache_size = 1"):
        connection.exec_driver_sql(f"PRAGMA {pragma}")
    connection.rollback()
    connection.execution_options(writes=True)
    connection.exec_driver_sql("CREATE TABLE scrap (bytes BLOB)")
    connection.exec_driver_sql("INSERT INTO scrap VALUES (zeroblob(?))", (SCRAP,))


def _postgres(connection: Connection) -> None:
    """Take a row lock, which a standby or read-only server refuses. A full disk is not detected."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE}")
    connection.exec_driver_sql("SELECT version_num FROM alembic_version FOR KEY SHARE")
