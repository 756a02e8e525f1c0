"""Change an attempt's state once."""

from sqlalchemy import update

from webapp.domain.payments.payment import OPEN_STATES, Attempt, AttemptState
from webapp.domain.shared.context import Context


def claim(ctx: Context, attempt: Attempt, state: AttemptState, **values: object) -> bool:
    """Set the state of an open attempt by a guarded update. False if it is no longer open."""
    result = ctx.session.connection().execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state.in_(OPEN_STATES))
        .values(state=state, **values)
    )
    ctx.session.refresh(attempt)
    return result.rowcount == 1
