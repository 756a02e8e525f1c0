"""Transactions: the start of a write, what a transaction keeps, which database has one writer."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, scoped_session


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


def keep_loaded_records(sessions: scoped_session[Any]) -> None:
    """Keep loaded records referenced until their transaction ends, so that each is read once.

    A session references its records weakly (SQLAlchemy, "Session Referencing Behavior"), and our
    view objects copy the values they show.
    """

    @event.listens_for(sessions, "loaded_as_persistent")
    def keep(session: Session, record: object) -> None:
        session.info.setdefault("kept", []).append(record)

    @event.listens_for(sessions, "after_transaction_end")
    def let_go(session: Session, transaction: SessionTransaction) -> None:
        session.info.pop("kept", None)
