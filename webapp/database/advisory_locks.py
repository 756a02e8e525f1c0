"""Who has a piece of work in hand, so that schedulers share the work and do not repeat it.

A claim only says whom to pass by: it guards nothing. What must happen once is guarded by the rows
themselves, with or without it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.database.pooler import POOLED


@contextmanager
def claim(session: Session, what: str, item: object) -> Iterator[bool]:
    """True for the first of those who claim the same at once, until the block ends; nobody waits.

    On PostgreSQL it is an advisory lock, held by a connection of its own: no transaction is open
    for it while a processor is called (L3), it ends with a process that is killed, and it locks no
    row, so it neither waits behind an account's usage nor deadlocks. SQLite lets one write at a
    time on one host; what has been done meanwhile is then found done. So it is behind a pooler,
    where a lock would stay with a session of somebody else's.
    """
    engine = session.get_bind().engine
    if engine.dialect.name != "postgresql":
        yield True
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.info.get(POOLED):
            connection.close()  # the work itself needs one
            yield True
            return
        key = func.hashtextextended(f"{what} {item}", 0)
        mine = bool(connection.scalar(select(func.pg_try_advisory_lock(key))))
        try:
            yield mine
        finally:
            if mine:
                connection.execute(select(func.pg_advisory_unlock(key)))
