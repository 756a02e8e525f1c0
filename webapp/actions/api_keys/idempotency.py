"""Process an API request with an `Idempotency-Key` once, and replay its stored answer."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.api_keys import idempotency_keys
from webapp.domain.api_keys.idempotency_keys import StoredAnswer


def begin_request(
    session: Session, account_id: int, key: str, request: str, now: datetime
) -> StoredAnswer | None:
    """Return the stored answer of an earlier request with this key, or claim the key.

    After None the caller processes the request and calls `keep_answer` or `release_request`.
    Raises `Conflict`.
    """
    begin_writing(session)
    stored = idempotency_keys.claim(session, account_id, key, request, now)
    session.commit()
    return stored


def keep_answer(
    session: Session, account_id: int, key: str, request: str, answer: StoredAnswer
) -> None:
    begin_writing(session)
    idempotency_keys.store_answer(session, account_id, key, request, answer)
    session.commit()


def release_request(session: Session, account_id: int, key: str, request: str) -> None:
    begin_writing(session)
    idempotency_keys.release(session, account_id, key, request)
    session.commit()


def delete_old_answers(session: Session, now: datetime) -> int:
    begin_writing(session)
    count = idempotency_keys.delete_old(session, now)
    session.commit()
    return count
