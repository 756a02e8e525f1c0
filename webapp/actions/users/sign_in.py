"""Sign in, in one step or two; every attempt is audit-logged (P2)."""

from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
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
    accounts = [account.id for account in user.accounts] if user else []
    half = right and user is not None and user.has_second_factor
    begin_writing(ctx.session)
    what = "sign_in_refused"
    if right:
        what = "password_accepted" if half else "signed_in"
    audit.record_in_each(ctx.by(actor), accounts, what)
    ctx.session.commit()
    return user_id if right else None


def finish_sign_in(ctx: Context, user_id: int, code: str, address: str) -> bool:
    """The second step: whether `code` is from the user's app or one of the recovery codes."""
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id)
    by = second_factor.accept(ctx, user, code)
    actor, accounts = Actor(user.id, user.name, address), [account.id for account in user.accounts]
    if by:
        audit.record_in_each(ctx.by(actor), accounts, "signed_in", by=by)
    else:
        audit.record_in_each(ctx.by(actor), accounts, "code_refused")
    ctx.session.commit()
    return bool(by)
