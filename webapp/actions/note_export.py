"""Somebody takes all that is kept of an account away: the audit log says who (P2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import audit
from webapp.domain.audit import Actor
from webapp.domain.base import begin_writing


def note_export(session: Session, account_id: int, actor: Actor, now: datetime) -> None:
    begin_writing(session)
    audit.record(session, account_id, actor, "exported", now)
    session.commit()
