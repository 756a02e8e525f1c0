"""Record when and from which address an API key was used, at most once an hour."""

from datetime import datetime

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.api_keys import api_key as api_keys


def record_key_use(session: Session, key_id: int, address: str, now: datetime) -> None:
    """Record the use in a separate transaction. Database errors are ignored, so that read requests
    still succeed while the database cannot be written.
    """
    try:
        begin_writing(session)
        api_keys.record_use(session, key_id, address, now)
        session.commit()
    except DBAPIError:
        session.rollback()
