"""When the processor is queried about an open attempt (L10), also if the clock is set back."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, true

from webapp.domain.payments.payment import (
    CHALLENGE_LIFE,
    CHECKS,
    HOURLY,
    OPEN_STATES,
    Attempt,
    AttemptState,
)

SKEW = timedelta(seconds=10)
"""Maximum difference of the clocks of two hosts."""


def due(now: datetime) -> ColumnElement[bool]:
    """Return the condition for attempts to query now.

    A check planned farther ahead than its step was planned before the clock was set back, and is
    due; otherwise a refill would wait for as long as the clock was set back.
    """
    asked = Attempt.state == AttemptState.CHALLENGED
    steps = [
        (asked, CHALLENGE_LIFE),
        *((and_(~asked, Attempt.checks == count), step) for count, step in enumerate(CHECKS)),
        (true(), HOURLY),
    ]
    ahead = [and_(which, Attempt.next_check_at > now + step + SKEW) for which, step in steps]
    return and_(Attempt.state.in_(OPEN_STATES), or_(Attempt.next_check_at <= now, *ahead))
