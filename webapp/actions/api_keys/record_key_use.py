"""A key was used: remember when and from where, once an hour."""

from datetime import datetime

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.api_keys import api_key as api_keys


def record_key_use(session: Session, key_id: int, address: str, now: datetime) -> None:
    """In a transaction of its own. It is worth no failure: who only reads can go on reading."""
    try:
        begin_writing(session)
        api_keys.record_use(session, key_id, address, now)
        session.commit()
    except DBAPIError:
        session.rollback()
