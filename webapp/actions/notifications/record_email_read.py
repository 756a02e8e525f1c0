"""Audit-log that an operator reads an email (P2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications.outbox import Notice, accounts_of
from webapp.domain.shared.errors import NotFound


def record_email_read(session: Session, notice_id: int, actor: Actor, now: datetime) -> None:
    """Raises `NotFound`."""
    begin_writing(session)
    notice = session.get(Notice, notice_id)
    if notice is None:
        session.rollback()
        raise NotFound("That email")
    details = {"mail": notice.kind, "notice": notice.id, "recipient": notice.recipient}
    owners = accounts_of(session, notice)
    audit.record_in_each(session, owners, actor, "mail_read", now, **details)
    session.commit()
