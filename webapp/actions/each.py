"""Do one thing for many: what fails for one must not keep the others waiting."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

Item = TypeVar("Item")


def each(session: Session, items: Iterable[Item], do: Callable[[Item], object]) -> int:
    """For how many of them it was done. A failure is logged, undone and passed by."""
    done = 0
    for item in items:
        try:
            done += bool(do(item))
        except Exception:
            session.rollback()
            log.exception("%s failed for %s", getattr(do, "__name__", "a job"), item)
    return done
