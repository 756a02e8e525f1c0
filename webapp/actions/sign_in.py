"""A person signs in; every try stands in the audit log (P2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import audit, passwords
from webapp.domain.audit import Actor
from webapp.domain.base import begin_writing
from webapp.domain.users import User


def sign_in(session: Session, email: str, password: str, address: str, now: datetime) -> int | None:
    """The person's id, or None. It takes as long whether or not the address is known."""
    user = User.by_email(session, email)
    right = passwords.is_right(password, user.password_hash if user else None)
    user_id = user.id if user else None
    actor = Actor(user_id, user.name if user else "Unknown person", address)
    accounts = [account.id for account in user.accounts] if user else []
    begin_writing(session)
    what = "signed_in" if right else "sign_in_refused"
    audit.record_in_each(session, accounts, actor, what, now)
    session.commit()
    return user_id if right else None
