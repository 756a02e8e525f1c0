"""Run one job step for many items; a failed item does not stop the others."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.orm import Session

from webapp.database.advisory_locks import claim
from webapp.database.errors import fault_of
from webapp.ports import MailServerUnavailable

log = logging.getLogger(__name__)

Item = TypeVar("Item")

ShouldContinue = Callable[[], bool]
"""Returns False once the process is shutting down: no further item is started."""


def always() -> bool:
    return True


def run_each(
    session: Session,
    items: Iterable[Item],
    do: Callable[[Item], object],
    what: str,
    should_continue: ShouldContinue = always,
) -> int:
    """Call `do` for each item and return how many calls returned a true value.

    An error in one item is logged and rolled back, and the next item follows. Items locked by
    another process are skipped; `what` namespaces the lock. Errors that would fail every item (the
    database or the mail server is unavailable) are raised at once.
    """
    done = 0
    for item in items:
        if not should_continue():
            break
        try:
            with claim(session, what, item) as mine:
                done += mine and bool(do(item))
        except Exception as error:
            session.rollback()
            if fault_of(error) or isinstance(error, MailServerUnavailable):
                raise
            log.exception("%s failed for %s", what, item)
    return done
