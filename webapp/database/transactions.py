"""The start of a write transaction, and which database allows one writer only."""

from sqlalchemy.orm import Session


def begin_writing(session: Session) -> None:
    """Roll back, and start a write transaction.

    SQLite cannot upgrade a read transaction after another writer has committed: it fails with
    "database is locked" at once, whatever the timeout. So the write lock is taken at the start
    (BEGIN IMMEDIATE, see `engine.py`), and records that were read before are discarded.
    """
    session.rollback()
    session.connection(execution_options={"writes": True})


def has_one_writer(session: Session) -> bool:
    """Whether the database allows one write transaction at a time: SQLite does."""
    return session.get_bind().dialect.name == "sqlite"
