"""An operator has looked into what a processor said (L9)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.unmatched_events import UnmatchedEvent


def close_unmatched_event(
    session: Session, evidence_id: int, reason: str, now: datetime
) -> UnmatchedEvent:
    """Raises `NotFound`, `Invalid` without a reason, or `Conflict` if it was closed before."""
    begin_writing(session)
    found = unmatched_events.find(session, evidence_id)
    found.close(reason, now)
    session.commit()
    return found
