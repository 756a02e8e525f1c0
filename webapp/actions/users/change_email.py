"""Change a user's email address: confirm it at the new address, notify the old one."""

from sqlalchemy.exc import IntegrityError

from webapp.actions.users.security_emails import EMAIL_CHANGE_REQUESTED, enqueue_security_email
from webapp.actions.users.sign_up import enqueue_confirmation
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
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
        enqueue_confirmation(ctx, user, email)
    enqueue_security_email(ctx, user_id, EMAIL_CHANGE_REQUESTED, email)
    accounts = [account.id for account in user.accounts]
    audit.record_in_each(ctx, accounts, "email_asked", email=email)
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
    actor = Actor(user.id, user.name, address)
    accounts = [account.id for account in user.accounts]
    if email == user.email:
        user.confirm()
        audit.record_in_each(ctx.by(actor), accounts, "email_confirmed", email=email)
    else:
        before = user.email
        user.email, user.pending_email = email, None
        end_sessions(ctx.session, user, keep=keep)
        user.confirm()
        _notify_old_address(ctx, user, before)
        details = {"before": before, "after": email}
        audit.record_in_each(ctx.by(actor), accounts, "email_changed", **details)
    try:
        ctx.session.commit()
    except IntegrityError:  # another user has taken the address meanwhile
        ctx.session.rollback()
        raise Refusal(DEAD) from None


def _notify_old_address(ctx: Context, user: User, before: str) -> None:
    language = user.translator.language
    at = datetimes.mailed(ctx.now, "UTC", ctx.now, language)
    facts = {"name": user.name, "new_email": user.email, "at": at}
    outbox.enqueue_personal(ctx, user.id, before, NoticeKind.EMAIL_CHANGED, facts, language)
