"""Do one thing for many: what fails for one must not keep the others waiting."""

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
"""False once this process is to end: then nothing new is begun."""


def always() -> bool:
    return True


def run_each(
    session: Session,
    items: Iterable[Item],
    do: Callable[[Item], object],
    what: str,
    should_continue: ShouldContinue = always,
) -> int:
    """For how many of them it was done. A failure is logged, undone and passed by.

    So is what another process has in hand; `what` they are tells them from the items of other work.
    What fails all of them is raised at the first: a database or a mail server that is away.
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
