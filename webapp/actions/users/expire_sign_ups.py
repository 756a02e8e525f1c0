"""Release the address of an unconfirmed sign-up: it may belong to another person."""

from datetime import timedelta
from secrets import token_hex

from sqlalchemy import select

from webapp.actions.batch import run_each
from webapp.actions.users.pending_access import revoke_pending_access, revoke_unconfirmed_access
from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import SignUpExpired
from webapp.domain.shared.context import SYSTEM, Context
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User

UNCONFIRMED_FOR = timedelta(days=7)

NO_PASSWORD = ""
"""Password hash that matches no password."""


def expire_sign_ups(ctx: Context) -> int:
    """Return how many sign-ups expired. Their accounts are kept, but nobody can sign in."""
    overdue = (
        User.unconfirmed_since <= ctx.now - UNCONFIRMED_FOR,
        User.password_hash != NO_PASSWORD,
    )
    due = ctx.session.scalars(select(User.id).where(*overdue)).all()
    ctx.session.rollback()

    def expire(user_id: int) -> bool:
        begin_writing(ctx.session)
        user = ctx.session.scalar(
            select(User).where(User.id == user_id, *overdue).with_for_update()
        )
        if user is None:
            ctx.session.rollback()
            return False
        revoke_unconfirmed_access(ctx.by(SYSTEM), user)
        revoke_pending_access(ctx.by(SYSTEM), user)
        end_sessions(ctx.session, user)
        events.record_for(ctx.by(SYSTEM), user, SignUpExpired())
        user.email = f"expired-{user.id}-{token_hex(8)}@sign-up.invalid"
        user.name, user.password_hash = "Expired sign-up", NO_PASSWORD
        ctx.session.commit()
        return True

    return run_each(ctx.session, due, expire, "sign-up")
