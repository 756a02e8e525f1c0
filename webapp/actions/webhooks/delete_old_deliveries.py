"""Delete webhook deliveries older than the retention period."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.webhooks import endpoint as webhooks


def delete_old_deliveries(session: Session, now: datetime) -> int:
    """Delete old deliveries, the oldest first, and return how many."""
    begin_writing(session)
    count = webhooks.delete_old_deliveries(session, now)
    session.commit()
    return count
