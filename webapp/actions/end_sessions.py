"""Sign out everywhere."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import audit
from webapp.domain.audit import Actor
from webapp.domain.base import begin_writing
from webapp.domain.users import User


def end_sessions(session: Session, user_id: int, actor: Actor, now: datetime) -> None:
    begin_writing(session)
    user = session.get_one(User, user_id)
    user.end_sessions()
    accounts = [account.id for account in user.accounts]
    audit.record_in_each(session, accounts, actor, "signed_out_everywhere", now)
    session.commit()
