"""Do one thing for many: what fails for one must not keep the others waiting."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.orm import Session

from webapp.domain.claims import claim

log = logging.getLogger(__name__)

Item = TypeVar("Item")


def each(session: Session, items: Iterable[Item], do: Callable[[Item], object], what: str) -> int:
    """For how many of them it was done. A failure is logged, undone and passed by.

    So is what another process has in hand. `what` they are tells them from the items of other work.
    """
    done = 0
    for item in items:
        try:
            with claim(session, what, item) as mine:
                done += mine and bool(do(item))
        except Exception:
            session.rollback()
            log.exception("%s failed for %s", what, item)
    return done
