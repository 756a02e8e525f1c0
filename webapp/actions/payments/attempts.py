"""Change an attempt's state once, and record its outcome on the timeline."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.domain.accounts import decisions
from webapp.domain.accounts.decisions import Code
from webapp.domain.payments.payment import OPEN_STATES, Attempt, AttemptState


def claim(session: Session, attempt: Attempt, state: AttemptState, **values: object) -> bool:
    """Set the state of an open attempt by a guarded update. False if it is no longer open."""
    result = session.connection().execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state.in_(OPEN_STATES))
        .values(state=state, **values)
    )
    session.refresh(attempt)
    return result.rowcount == 1


def note_about(session: Session, attempt: Attempt, code: Code, line: str, now: datetime) -> None:
    decisions.record(
        session,
        attempt.account_id,
        code,
        line,
        now,
        attempt_id=attempt.id,
        top_up_id=attempt.payment.top_up_id,
    )
