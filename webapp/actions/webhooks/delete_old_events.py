"""Let go of what webhooks have told long ago."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.webhooks import endpoint as webhooks


def delete_old_events(session: Session, now: datetime) -> int:
    """How many, of which the oldest went first."""
    begin_writing(session)
    count = webhooks.delete_old_events(session, now)
    session.commit()
    return count
