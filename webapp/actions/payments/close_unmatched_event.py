"""Close an unmatched event after an operator's review (L9)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.unmatched_events import UnmatchedEvent


def close_unmatched_event(
    session: Session, evidence_id: int, reason: str, now: datetime
) -> UnmatchedEvent:
    """Close the event. Raises `NotFound`, `Invalid` without a reason, or `Conflict` if it is
    closed already.
    """
    begin_writing(session)
    found = unmatched_events.find(session, evidence_id)
    found.close(reason, now)
    session.commit()
    return found
