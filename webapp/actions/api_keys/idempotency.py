"""A machine's request with a key of its own: begun once, and answered the same ever after."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.api_keys import idempotency_keys
from webapp.domain.api_keys.idempotency_keys import GivenAnswer


def begin_request(
    session: Session, account_id: int, key: str, request: str, now: datetime
) -> GivenAnswer | None:
    """The answer that was given before; None: go on, and keep the answer or let go.

    Raises `Conflict`.
    """
    begin_writing(session)
    given = idempotency_keys.take(session, account_id, key, request, now)
    session.commit()
    return given


def keep_answer(
    session: Session, account_id: int, key: str, request: str, answer: GivenAnswer
) -> None:
    begin_writing(session)
    idempotency_keys.keep(session, account_id, key, request, answer)
    session.commit()


def let_request_go(session: Session, account_id: int, key: str, request: str) -> None:
    begin_writing(session)
    idempotency_keys.let_go(session, account_id, key, request)
    session.commit()


def forget_answers(session: Session, now: datetime) -> int:
    begin_writing(session)
    count = idempotency_keys.forget(session, now)
    session.commit()
    return count
