"""Request a password reset, reset a password, change a password."""

from datetime import datetime

from webapp.actions.users.pending_access import revoke_pending_access, revoke_unconfirmed_access
from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import PasswordChanged, PasswordForgotten, ProofRefused
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.users import passwords
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

DEAD = "This link no longer works. Request a new one."


def forget_password(ctx: Context, email: str, address: str) -> None:
    """Email a reset link. For an unknown address the work and the time taken are the same."""
    begin_writing(ctx.session)
    user = User.by_email(ctx.session, email)
    if user is not None and user.is_of_portal:
        user = None
    accounts = [account.id for account in user.accounts] if user else []
    actor = Actor(user.id if user else None, user.name if user else "Unknown person", address)
    event = PasswordForgotten()
    (row, *_) = events.record_in_each(ctx.by(actor), accounts, event)
    trial = ctx.session.begin_nested()
    events.email_person(ctx, row, event, user)
    if user is None:
        trial.rollback()
    else:
        trial.commit()
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
    user = User.locked(ctx.session, user_id)
    _set_password(ctx, user, hashed, keep=keep)
    ctx.session.commit()


def audit_refusal(ctx: Context, user: User) -> None:
    begin_writing(ctx.session)
    events.record_for(ctx, user, ProofRefused())
    ctx.session.commit()


def _set_password(ctx: Context, user: User, hashed: str, *, keep: int | None = None) -> None:
    user.password_hash = hashed
    end_sessions(ctx.session, user, keep=keep)
    revoke_pending_access(ctx, user)
    events.record_for(ctx, user, PasswordChanged())


def _require_rule(user: User | None, password: str) -> None:
    own = [user.email, user.name, *(account.name for account in user.accounts)] if user else []
    if fault := passwords.fault(password, own):
        raise Invalid({"password": fault})
