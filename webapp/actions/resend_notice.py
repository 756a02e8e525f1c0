"""The operator has a mail tried again that was given up."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import audit, texts
from webapp.domain.audit import Actor
from webapp.domain.base import begin_writing
from webapp.domain.errors import Conflict, NotFound
from webapp.domain.notices import Notice, NoticeState


def resend_notice(
    session: Session, notice_id: int, reason: str, actor: Actor, now: datetime
) -> None:
    """It keeps its message id, so a mail program that has it shows it once.

    Raises `NotFound`, `Invalid` without a reason, or `Conflict` for one that is not given up.
    """
    reason = texts.reason(reason)
    begin_writing(session)
    notice = session.get(Notice, notice_id, with_for_update=True)
    if notice is None:
        session.rollback()
        raise NotFound("That mail")
    if notice.state != NoticeState.FAILED:
        session.rollback()
        raise Conflict("This mail is not given up: it is sent, or still tried.")
    notice.state, notice.tries, notice.next_try_at = NoticeState.OWED, 0, now
    details = {"mail": notice.kind, "notice": notice.id, "reason": reason}
    audit.record(session, notice.account_id, actor, "mail_resent", now, **details)
    session.commit()
