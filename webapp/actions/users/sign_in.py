"""Sign in, in one step or two; every attempt is audit-logged (P2)."""

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.event import Event
from webapp.domain.events.users import CodeRefused, PasswordAccepted, SignedIn, SignInRefused
from webapp.domain.shared.context import Actor, Context
from webapp.domain.users import passwords, second_factor
from webapp.domain.users.user import User


def sign_in(ctx: Context, email: str, password: str, address: str) -> int | None:
    """Check the password. Returns the user's id, or None.

    The check takes the same time for unknown addresses. A user with a second factor is not signed
    in yet: `finish_sign_in` checks it.
    """
    user = User.by_email(ctx.session, email)
    right = passwords.is_right(password, user.password_hash if user else None)
    user_id = user.id if user else None
    actor = Actor(user_id, user.name if user else "Unknown person", address)
    half = right and user is not None and user.has_second_factor
    begin_writing(ctx.session)
    event: Event = SignInRefused()
    if right:
        event = PasswordAccepted() if half else SignedIn()
    events.record_for(ctx.by(actor), user, event)
    ctx.session.commit()
    return user_id if right else None


def finish_sign_in(ctx: Context, user_id: int, code: str, address: str) -> bool:
    """The second step: whether `code` is from the user's app or one of the recovery codes."""
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id)
    by = second_factor.accept(ctx, user, code)
    actor = Actor(user.id, user.name, address)
    events.record_for(ctx.by(actor), user, SignedIn(by) if by else CodeRefused())
    ctx.session.commit()
    return bool(by)
