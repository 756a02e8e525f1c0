"""Let go of what webhooks have told long ago."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import webhooks
from webapp.domain.base import begin_writing


def forget_events(session: Session, now: datetime) -> int:
    """How many, of which the oldest went first."""
    begin_writing(session)
    count = webhooks.forget(session, now)
    session.commit()
    return count
