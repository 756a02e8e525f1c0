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


def conclude(ctx: Context, attempt: Attempt, state: AttemptState, **values: object) -> bool:
    """Like `claim`, for a conclusive answer: the attempt's troubles and queries end."""
    ended = {"answered_at": ctx.now, "trouble": None, "needs_operator": False}
    return claim(ctx, attempt, state, **ended | {"next_check_at": None} | values)
