"""May this be tried now? Counted before it is done, so that many at once get no more than one."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count


def hit(session: Session, what: str, counts: Sequence[Count], now: datetime) -> None:
    """Note one more try, or raise `TooOften` and note nothing. `what` begins the sentence."""
    begin_writing(session)
    rate_limits.lock(session, counts)
    wait = rate_limits.resets_in(session, counts, now)
    if wait:
        session.rollback()
        raise TooOften(what, wait)
    rate_limits.hit(session, counts, now)
    session.commit()


def clear(session: Session, counts: Sequence[Count]) -> None:
    """It was the right person: what they mistyped before does not count any more."""
    begin_writing(session)
    rate_limits.clear(session, counts)
    session.commit()
