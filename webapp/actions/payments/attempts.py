"""Change an attempt's state once, and record its outcome on the timeline."""

from sqlalchemy import update

from webapp.domain.accounts import decisions
from webapp.domain.accounts.decisions import Code
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


def note_about(ctx: Context, attempt: Attempt, code: Code, line: str) -> None:
    decisions.record(
        ctx,
        attempt.account_id,
        code,
        line,
        attempt_id=attempt.id,
        top_up_id=attempt.payment.top_up_id,
    )
