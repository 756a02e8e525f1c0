"""Change a user's email address: confirm it at the new address, notify the old one."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.actions.users.security_emails import EMAIL_CHANGE_REQUESTED, enqueue_security_email
from webapp.actions.users.sign_up import enqueue_confirmation
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

DEAD = "This link no longer works. Request a new one on your profile page."


def ask_for_email(session: Session, user_id: int, email: str, actor: Actor, now: datetime) -> None:
    """Email a confirmation link to the new address. Raises `Invalid`.

    For an address in use by another user the answer is the same and no confirmation is sent, so
    that nobody can find out which addresses are registered.
    """
    email = email.strip().lower()
    if not is_address(email):
        raise Invalid({"email": "Enter an email address such as ana@example.com"})
    begin_writing(session)
    user = session.get_one(User, user_id)
    if email == user.email:
        session.rollback()
        raise Invalid({"email": "This is already your email address"})
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
    """Confirm the user's address, or change it; a change ends all sessions but `keep`.

    Opening the link again changes nothing. Raises `Refusal` if the link has expired, or was issued
    before a password reset or a sign-out everywhere.
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
        _notify_old_address(session, user, before, now)
        details = {"before": before, "after": email}
        audit.record_in_each(session, accounts, actor, "email_changed", now, **details)
    try:
        session.commit()
    except IntegrityError:  # another user has taken the address meanwhile
        session.rollback()
        raise Refusal(DEAD) from None


def _notify_old_address(session: Session, user: User, before: str, now: datetime) -> None:
    language = user.translator.language
    at = datetimes.mailed(now, "UTC", now, language)
    facts = {"name": user.name, "new_email": user.email, "at": at}
    outbox.enqueue_personal(
        session, user.id, before, NoticeKind.EMAIL_CHANGED, facts, language, now
    )
