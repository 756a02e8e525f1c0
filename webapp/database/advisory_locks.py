"""Advisory locks, so that concurrent schedulers do not work on the same item.

They only avoid duplicate work. Correctness does not depend on them: effects that must happen once
are guarded by the rows themselves.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.database.pooler import POOLED


@contextmanager
def claim(session: Session, what: str, item: object) -> Iterator[bool]:
    """Try to lock an item for the block, without waiting; yields whether it succeeded.

    On PostgreSQL this is an advisory lock on a separate connection: no transaction is open while a
    processor is called (L3), a killed process releases it, and it locks no row, so it cannot wait
    for other writers or deadlock. On SQLite, and behind a connection pooler, where the lock could
    end up in another client's session, it always succeeds.
    """
    engine = session.get_bind().engine
    if engine.dialect.name != "postgresql":
        yield True
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.info.get(POOLED):
            connection.close()  # returns it to the pool, for the work itself
            yield True
            return
        key = func.hashtextextended(f"{what} {item}", 0)
        mine = bool(connection.scalar(select(func.pg_try_advisory_lock(key))))
        try:
            yield mine
        finally:
            if mine:
                connection.execute(select(func.pg_advisory_unlock(key)))


def lock_until_commit(session: Session, keys: Iterable[str]) -> None:
    """Wait for each key, and hold it until the transaction ends. SQLite has one writer anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for key in sorted(keys):
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
