"""Start a session, record its use, and end sessions. Their times are wall-clock times."""

from datetime import datetime

from sqlalchemy import delete, or_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from webapp.actions.users.pending_access import revoke_pending_access
from webapp.clock import Clock
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.shared.errors import NotFound
from webapp.domain.users import sessions
from webapp.domain.users.sessions import LIFETIMES, UserSession
from webapp.domain.users.user import User


def start_session(
    session: Session,
    user_id: int,
    *,
    signed_in_with: str,
    remember: bool,
    device: str,
    address: str,
    wall: datetime,
) -> str:
    """Start a session for a user who has just authenticated. Returns the cookie's token."""
    token = sessions.new_token()
    begin_writing(session)
    _delete_expired(session, user_id, wall)
    session.add(
        UserSession(
            user_id=user_id,
            token_hash=sessions.hash_token(token),
            remember=remember,
            started_at=wall,
            last_used_at=wall,
            proved_at=wall,
            signed_in_with=signed_in_with,
            address=address,
            device=device,
        )
    )
    session.commit()
    return token


def record_session_use(session: Session, session_id: int, address: str, wall: datetime) -> None:
    """Record the use in a separate transaction. Database errors are ignored, so that pages can be
    read while the database cannot be written.
    """
    try:
        begin_writing(session)
        sessions.record_use(session, session_id, address, wall)
        session.commit()
    except DBAPIError:
        session.rollback()


def sign_out(session: Session, session_id: int) -> None:
    begin_writing(session)
    session.execute(delete(UserSession).where(UserSession.id == session_id))
    session.commit()


def end_session(
    session: Session, user_id: int, session_id: int, actor: Actor, now: datetime
) -> str:
    """End one of the user's sessions and return its device. Raises `NotFound`."""
    begin_writing(session)
    found = session.get(UserSession, session_id)
    if found is None or found.user_id != user_id:
        session.rollback()
        raise NotFound("That session")
    device, accounts = found.device, [account.id for account in found.user.accounts]
    session.delete(found)
    audit.record_in_each(session, accounts, actor, "session_ended", now, device=device)
    session.commit()
    return device


def sign_out_everywhere(
    session: Session, user_id: int, actor: Actor, clock: Clock, *, keep: int | None = None
) -> None:
    """End all sessions but `keep`, and revoke pending access."""
    now = clock.now()
    begin_writing(session)
    user = session.get_one(User, user_id)
    sessions.end_sessions(session, user, keep=keep)
    revoke_pending_access(session, user, actor, now)
    accounts = [account.id for account in user.accounts]
    audit.record_in_each(session, accounts, actor, "signed_out_everywhere", now)
    session.commit()


def _delete_expired(session: Session, user_id: int, wall: datetime) -> None:
    for remember, lifetime in LIFETIMES.items():
        expired = or_(
            UserSession.last_used_at <= wall - lifetime.idle,
            UserSession.started_at <= wall - lifetime.absolute,
        )
        own = (UserSession.user_id == user_id, UserSession.remember == remember)
        session.execute(delete(UserSession).where(*own, expired))
