"""A machine's request with a key of its own: begun once, and answered the same ever after."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import repeats
from webapp.domain.base import begin_writing
from webapp.domain.repeats import GivenAnswer


def begin_request(
    session: Session, account_id: int, key: str, request: str, now: datetime
) -> GivenAnswer | None:
    """The answer that was given before; None: go on, and keep the answer or let go.

    Raises `Conflict`.
    """
    begin_writing(session)
    given = repeats.take(session, account_id, key, request, now)
    session.commit()
    return given


def keep_answer(
    session: Session, account_id: int, key: str, request: str, answer: GivenAnswer
) -> None:
    begin_writing(session)
    repeats.keep(session, account_id, key, request, answer)
    session.commit()


def let_request_go(session: Session, account_id: int, key: str, request: str) -> None:
    begin_writing(session)
    repeats.let_go(session, account_id, key, request)
    session.commit()


def forget_answers(session: Session, now: datetime) -> int:
    begin_writing(session)
    count = repeats.forget(session, now)
    session.commit()
    return count
