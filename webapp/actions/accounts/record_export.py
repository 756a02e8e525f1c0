"""Record in the audit log that a user exported all data of an account (P2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor


def record_export(session: Session, account_id: int, actor: Actor, now: datetime) -> None:
    begin_writing(session)
    audit.record(session, account_id, actor, "exported", now)
    session.commit()
