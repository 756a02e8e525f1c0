"""Rate limiting. An attempt is recorded before it runs, so concurrent requests cannot exceed the
limit.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count


def hit(session: Session, what: str, counts: Sequence[Count], now: datetime) -> None:
    """Record an attempt, or raise `TooOften` and record nothing. `what` begins the sentence."""
    begin_writing(session)
    rate_limits.lock(session, counts)
    wait = rate_limits.resets_in(session, counts, now)
    if wait:
        session.rollback()
        raise TooOften(what, wait)
    rate_limits.hit(session, counts, now)
    session.commit()


def clear(session: Session, counts: Sequence[Count]) -> None:
    """Reset the counts after a successful attempt."""
    begin_writing(session)
    rate_limits.clear(session, counts)
    session.commit()
