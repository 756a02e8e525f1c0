"""Change a user's email address: confirm it at the new address, notify the old one."""

from sqlalchemy.exc import IntegrityError

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import (
    ConfirmationRequested,
    EmailAsked,
    EmailChanged,
    EmailConfirmed,
)
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

DEAD = "This link no longer works. Request a new one on your profile page."


def ask_for_email(ctx: Context, user_id: int, email: str) -> None:
    """Email a confirmation link to the new address. Raises `Invalid`.

    For an address in use by another user the answer is the same and no confirmation is sent, so
    that nobody can find out which addresses are registered.
    """
    email = email.strip().lower()
    if not is_address(email):
        raise Invalid({"email": "Enter an email address such as ana@example.com"})
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id)
    if email == user.email:
        ctx.session.rollback()
        raise Invalid({"email": "This is already your email address"})
    user.pending_email = email
    if User.by_email(ctx.session, email) is None:
        events.record_for(ctx, user, ConfirmationRequested(email), address=email)
    events.record_for(ctx, user, EmailAsked(email))
    ctx.session.commit()


def confirm_email(
    ctx: Context,
    user_id: int,
    email: str,
    expires: int,
    version: int,
    address: str,
    *,
    keep: int | None = None,
) -> None:
    """Confirm the user's address, or change it; a change ends all sessions but `keep`.

    Opening the link again changes nothing. Raises `Refusal` if the link has expired, or was issued
    before a password reset or a sign-out everywhere.
    """
    begin_writing(ctx.session)
    user = ctx.session.get(User, user_id)
    if user is not None and user.email == email and user.is_confirmed:
        ctx.session.rollback()
        return
    alive = user is not None and user.session_version == version and ctx.now.timestamp() < expires
    if not alive or user is None or email not in (user.email, user.pending_email):
        ctx.session.rollback()
        raise Refusal(DEAD)
    ctx = ctx.by(Actor(user.id, user.name, address))
    if email == user.email:
        user.confirm()
        events.record_for(ctx, user, EmailConfirmed(email))
    else:
        before = user.email
        user.email, user.pending_email = email, None
        end_sessions(ctx.session, user, keep=keep)
        user.confirm()
        events.record_for(ctx, user, EmailChanged(before, email), address=before)
    try:
        ctx.session.commit()
    except IntegrityError:  # another user has taken the address meanwhile
        ctx.session.rollback()
        raise Refusal(DEAD) from None
