"""A machine's request with a key of its own: begun once, and answered the same ever after."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.api_keys import idempotency_keys
from webapp.domain.api_keys.idempotency_keys import StoredAnswer


def begin_request(
    session: Session, account_id: int, key: str, request: str, now: datetime
) -> StoredAnswer | None:
    """The answer that was given before; None: go on, and keep the answer or let go.

    Raises `Conflict`.
    """
    begin_writing(session)
    given = idempotency_keys.claim(session, account_id, key, request, now)
    session.commit()
    return given


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
