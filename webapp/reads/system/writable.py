"""Whether the database can be written: something is, and taken back. No trace is left."""

from sqlalchemy.engine import Connection, Engine

PATIENCE = 2_000
"""Milliseconds to wait for another writer: whoever probes waits for no longer."""

SCRAP = 65_536
"""Bytes: more than a cache of one page holds, so that SQLite has to write them to the disk."""


def check_writable(engine: Engine) -> None:
    """Raises what the database answers to someone who writes."""
    with engine.connect() as connection:
        probe = _sqlite if engine.dialect.name == "sqlite" else _postgres
        probe(connection)
        connection.rollback()


def _sqlite(connection: Connection) -> None:
    """With a cache of one page, the table that never is goes to the disk before any commit."""
    connection.detach()  # not used again, so what is set on it harms nobody
    for pragma in (f"busy_timeout = {PATIENCE}", "cache_size = 1"):
        connection.exec_driver_sql(f"PRAGMA {pragma}")
    connection.rollback()
    connection.execution_options(writes=True)
    connection.exec_driver_sql("CREATE TABLE scrap (bytes BLOB)")
    connection.exec_driver_sql("INSERT INTO scrap VALUES (zeroblob(?))", (SCRAP,))


def _postgres(connection: Connection) -> None:
    """A standby and a server set to reading refuse the lock; a full disk only its own host sees."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE}")
    connection.exec_driver_sql("SELECT version_num FROM alembic_version FOR KEY SHARE")
