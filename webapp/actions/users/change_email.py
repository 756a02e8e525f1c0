"""A person changes their e-mail address: confirmed at the new one, told at the old one."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.actions.users.security_emails import EMAIL_CHANGE_REQUESTED, enqueue_security_email
from webapp.actions.users.sign_up import enqueue_confirmation
from webapp.database.base import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

DEAD = "This link does not work any more. Ask for a new one on your profile page."


def ask_for_email(session: Session, user_id: int, email: str, actor: Actor, now: datetime) -> None:
    """Owe the new address its link. Raises `Invalid`.

    An address that somebody else has is answered alike and gets no mail: nobody learns who is here.
    """
    email = email.strip().lower()
    if not is_address(email):
        raise Invalid({"email": "Enter an e-mail address such as ana@example.com"})
    begin_writing(session)
    user = session.get_one(User, user_id)
    if email == user.email:
        session.rollback()
        raise Invalid({"email": "That is your address already"})
    user.pending_email = email
    if User.by_email(session, email) is None:
        enqueue_confirmation(session, user, email, now)
    enqueue_security_email(session, user_id, EMAIL_CHANGE_REQUESTED, actor, now, email)
    accounts = [account.id for account in user.accounts]
    audit.record_in_each(session, accounts, actor, "email_asked", now, email=email)
    session.commit()


def confirm_email(
    session: Session,
    user_id: int,
    email: str,
    expires: int,
    version: int,
    address: str,
    now: datetime,
    *,
    keep: int | None = None,
) -> None:
    """Confirm the address, or change to it, which ends all sessions but `keep`.

    Opening the link again changes nothing. Raises `Refusal` for a dead one: too old, or issued
    before a reset of the password or a sign-out everywhere.
    """
    begin_writing(session)
    user = session.get(User, user_id)
    if user is not None and user.email == email and user.is_confirmed:
        session.rollback()
        return
    alive = user is not None and user.session_version == version and now.timestamp() < expires
    if not alive or user is None or email not in (user.email, user.pending_email):
        session.rollback()
        raise Refusal(DEAD)
    actor = Actor(user.id, user.name, address)
    accounts = [account.id for account in user.accounts]
    if email == user.email:
        user.confirm()
        audit.record_in_each(session, accounts, actor, "email_confirmed", now, email=email)
    else:
        before = user.email
        user.email, user.pending_email = email, None
        end_sessions(session, user, keep=keep)
        user.confirm()
        _tell(session, user, before, now)
        what = {"before": before, "after": email}
        audit.record_in_each(session, accounts, actor, "email_changed", now, **what)
    try:
        session.commit()
    except IntegrityError:  # somebody else took the address meanwhile
        session.rollback()
        raise Refusal(DEAD) from None


def _tell(session: Session, user: User, before: str, now: datetime) -> None:
    language = user.translator.language
    at = datetimes.mailed(now, "UTC", now, language)
    facts = {"name": user.name, "new_email": user.email, "at": at}
    outbox.enqueue_personal(
        session, user.id, before, NoticeKind.EMAIL_CHANGED, facts, language, now
    )
