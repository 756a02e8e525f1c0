"""When an open attempt is to be asked about (L10), also by a clock that was set back meanwhile."""

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
"""The clocks of two hosts differ by less."""


def due(now: datetime) -> ColumnElement[bool]:
    """What is planned farther ahead than its step was planned by a clock that was ahead: it is due.

    Otherwise a clock set back by an hour would keep a refill waiting for an hour.
    """
    asked = Attempt.state == AttemptState.CHALLENGED
    steps = [
        (asked, CHALLENGE_LIFE),
        *((and_(~asked, Attempt.checks == count), step) for count, step in enumerate(CHECKS)),
        (true(), HOURLY),
    ]
    ahead = [and_(which, Attempt.next_check_at > now + step + SKEW) for which, step in steps]
    return and_(Attempt.state.in_(OPEN_STATES), or_(Attempt.next_check_at <= now, *ahead))
