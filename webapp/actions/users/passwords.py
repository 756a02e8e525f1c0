"""Request a password reset, reset a password, change a password."""

from datetime import datetime, timedelta

from webapp.actions.users.pending_access import revoke_pending_access, revoke_unconfirmed_access
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.shared.i18n import ENGLISH
from webapp.domain.users import passwords
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

RESET_WITHIN = timedelta(hours=1)

DEAD = "This link no longer works. Request a new one."


def forget_password(ctx: Context, email: str, address: str) -> None:
    """Email a reset link. For an unknown address the work and the time taken are the same."""
    begin_writing(ctx.session)
    user = User.by_email(ctx.session, email)
    trial = ctx.session.begin_nested()
    _enqueue_link(ctx, user)
    if user is None:
        trial.rollback()
    else:
        trial.commit()
    accounts = [account.id for account in user.accounts] if user else []
    actor = Actor(user.id if user else None, user.name if user else "Unknown person", address)
    audit.record_in_each(ctx.by(actor), accounts, "password_forgotten")
    ctx.session.commit()


def reset_password(
    ctx: Context, user_id: int, version: int, expires: int, password: str, address: str
) -> None:
    """Set a new password by a reset link.

    Raises `Invalid` for the password, or `Refusal` if the link was used or has expired.
    """
    _require_rule(ctx.session.get(User, user_id), password)
    hashed = passwords.hash_password(password)
    begin_writing(ctx.session)
    user = ctx.session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None or not is_alive(user, version, expires, ctx.now):
        ctx.session.rollback()
        raise Refusal(DEAD)
    actor = Actor(user.id, user.name, address)
    if not user.is_confirmed:
        revoke_unconfirmed_access(ctx.by(actor), user)
        user.confirm()  # the email with the link has reached the user
    _set_password(ctx.by(actor), user, hashed)
    ctx.session.commit()


def is_alive(user: User, version: int, expires: int, now: datetime) -> bool:
    """Whether a link still works. Ending the user's sessions also ends it, so it works once."""
    return user.session_version == version and now.timestamp() < expires


def change_password(
    ctx: Context, user_id: int, present: str, password: str, *, keep: int | None = None
) -> None:
    """Change the password and end all sessions but `keep`. Raises `Invalid`."""
    user = ctx.session.get_one(User, user_id)
    if not passwords.is_right(present, user.password_hash):
        audit_refusal(ctx, user)
        raise Invalid({"present": "Wrong password"})
    _require_rule(user, password)
    hashed = passwords.hash_password(password)
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id, with_for_update=True, populate_existing=True)
    _set_password(ctx, user, hashed, keep=keep)
    ctx.session.commit()


def audit_refusal(ctx: Context, user: User) -> None:
    accounts = [account.id for account in user.accounts]
    begin_writing(ctx.session)
    audit.record_in_each(ctx, accounts, "proof_refused")
    ctx.session.commit()


def _set_password(ctx: Context, user: User, hashed: str, *, keep: int | None = None) -> None:
    user.password_hash = hashed
    end_sessions(ctx.session, user, keep=keep)
    revoke_pending_access(ctx, user)
    language = user.translator.language
    at = datetimes.mailed(ctx.now, "UTC", ctx.now, language)
    facts = {"name": user.name, "email": user.email, "at": at}
    kind = NoticeKind.PASSWORD_CHANGED
    outbox.enqueue_personal(ctx, user.id, user.email, kind, facts, language)
    accounts = [account.id for account in user.accounts]
    audit.record_in_each(ctx, accounts, "password_changed")


def _enqueue_link(ctx: Context, user: User | None) -> None:
    until, language = ctx.now + RESET_WITHIN, (user.translator if user else ENGLISH).language
    facts = {
        "name": user.name if user else "",
        "email": user.email if user else "",
        "until": datetimes.mailed(until, "UTC", ctx.now, language),
        "link": [user.id, user.session_version, int(until.timestamp())] if user else [],
    }
    user_id, recipient = (user.id, user.email) if user else (None, "")
    kind = NoticeKind.RESET_PASSWORD
    outbox.enqueue_personal(ctx, user_id, recipient, kind, facts, language)


def _require_rule(user: User | None, password: str) -> None:
    own = [user.email, user.name, *(account.name for account in user.accounts)] if user else []
    if fault := passwords.fault(password, own):
        raise Invalid({"password": fault})
