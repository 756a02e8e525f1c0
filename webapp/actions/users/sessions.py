"""Start a session, record its use, and end sessions. Their times are wall-clock times."""

from datetime import datetime

from sqlalchemy import delete, or_
from sqlalchemy.exc import DBAPIError

from webapp.actions.users.pending_access import revoke_pending_access
from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import SessionEnded, SignedOutEverywhere
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.users import sessions
from webapp.domain.users.sessions import LIFETIMES, UserSession
from webapp.domain.users.user import User


def start_session(
    ctx: Context,
    user_id: int,
    *,
    signed_in_with: str,
    remember: bool,
    device: str,
    address: str,
    wall: datetime,
) -> str:
    """Start a session for a user who has just authenticated. Returns the cookie's token."""
    started, token = UserSession.start(
        wall,
        user_id=user_id,
        remember=remember,
        signed_in_with=signed_in_with,
        address=address,
        device=device,
    )
    begin_writing(ctx.session)
    _delete_expired(ctx, user_id, wall)
    ctx.session.add(started)
    ctx.session.commit()
    return token


def record_session_use(ctx: Context, session_id: int, address: str, wall: datetime) -> None:
    """Record the use in a separate transaction. Database errors are ignored, so that pages can be
    read while the database cannot be written.
    """
    try:
        begin_writing(ctx.session)
        sessions.record_use(ctx.at(wall), session_id, address)
        ctx.session.commit()
    except DBAPIError:
        ctx.session.rollback()


def sign_out(ctx: Context, session_id: int) -> None:
    begin_writing(ctx.session)
    ctx.session.execute(delete(UserSession).where(UserSession.id == session_id))
    ctx.session.commit()


def end_session(ctx: Context, user_id: int, session_id: int) -> str:
    """End one of the user's sessions and return its device. Raises `NotFound`."""
    begin_writing(ctx.session)
    found = ctx.session.get(UserSession, session_id)
    if found is None or found.user_id != user_id:
        ctx.session.rollback()
        raise NotFound("That session")
    device, user = found.device, found.user
    ctx.session.delete(found)
    events.record_for(ctx, user, SessionEnded(device))
    ctx.session.commit()
    return device


def sign_out_everywhere(ctx: Context, user_id: int, *, keep: int | None = None) -> None:
    """End all sessions but `keep`, and revoke pending access."""
    ctx = ctx.later()
    begin_writing(ctx.session)
    user = ctx.session.get_one(User, user_id)
    sessions.end_sessions(ctx.session, user, keep=keep)
    revoke_pending_access(ctx, user)
    events.record_for(ctx, user, SignedOutEverywhere())
    ctx.session.commit()


def _delete_expired(ctx: Context, user_id: int, wall: datetime) -> None:
    for remember, lifetime in LIFETIMES.items():
        expired = or_(
            UserSession.last_used_at <= wall - lifetime.idle,
            UserSession.started_at <= wall - lifetime.absolute,
        )
        own = (UserSession.user_id == user_id, UserSession.remember == remember)
        ctx.session.execute(delete(UserSession).where(*own, expired))
