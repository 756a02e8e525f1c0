"""Sign up: create an account and its owner, whose address is not confirmed yet."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.actions.accounts.create_account import is_time_zone, open_account
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.users.user import User

CONFIRM_WITHIN = timedelta(days=3)
AGAIN_AFTER = timedelta(minutes=1)
"""Minimum time between two confirmation emails."""


def sign_up(
    session: Session,
    *,
    company: str,
    name: str,
    email: str,
    password: str,
    time_zone: str,
    address: str,
    now: datetime,
) -> int:
    """Create account and owner and return the owner's id.

    `time_zone` is reported by the browser; an unknown one is replaced by UTC. Raises `Invalid` with
    an error for each invalid field.
    """
    begin_writing(session)
    _, user = open_account(
        session,
        name=company,
        owner_name=name,
        email=email,
        password=password,
        actor=Actor(name=name.strip()[:120], address=address),
        now=now,
        time_zone=time_zone if is_time_zone(time_zone) else "UTC",
        owner_required=True,
    )
    user.unconfirmed_since = now
    enqueue_confirmation(session, user, user.email, now)
    user_id = user.id
    session.commit()
    return user_id


def send_confirmation_again(session: Session, user_id: int, now: datetime) -> None:
    """Resend the confirmation of the user's address, or of a requested new one."""
    begin_writing(session)
    user = session.get_one(User, user_id)
    email = user.pending_email or ("" if user.is_confirmed else user.email)
    last = outbox.last_enqueued(session, user_id, NoticeKind.CONFIRM_EMAIL)
    if email and (last is None or abs(now - last) >= AGAIN_AFTER):
        enqueue_confirmation(session, user, email, now)
    session.commit()


def enqueue_confirmation(session: Session, user: User, email: str, now: datetime) -> None:
    until, language = now + CONFIRM_WITHIN, user.translator.language
    facts = {
        "name": user.name,
        "email": email,
        "until": datetimes.mailed(until, "UTC", now, language),
        "link": [user.id, email, int(until.timestamp()), user.session_version],
    }
    outbox.enqueue_personal(session, user.id, email, NoticeKind.CONFIRM_EMAIL, facts, language, now)
