"""Sign-in sessions, stored as rows so that the server can end them.

The cookie holds a random token, the row its hash. Times are those of the wall clock, so that
shifting the sandbox's clock signs nobody out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from sqlalchemy import ForeignKey, String, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.users.user import Membership, Role, User

NOTED_EVERY = timedelta(minutes=5)
"""Minimum interval between two updates of the last use."""

DEVICE_LENGTH = 80
METHOD_LENGTH = 20


@dataclass(frozen=True)
class Lifetime:
    """When a session ends."""

    idle: timedelta
    """Time without a request."""
    absolute: timedelta
    """Time since the sign-in, regardless of use."""


LIFETIMES = {
    False: Lifetime(timedelta(hours=8), timedelta(hours=24)),
    True: Lifetime(timedelta(days=7), timedelta(days=14)),
}
"""Lifetime by the choice of "Keep me signed in"."""

OF_PORTAL = Lifetime(timedelta(hours=1), timedelta(hours=8))
"""A portal session is as easily started again."""


class UserSession(Base):
    __tablename__ = "user_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    remember: Mapped[bool]
    started_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    proved_at: Mapped[datetime]
    """When the person last authenticated: at the sign-in, or later for a sensitive change."""
    signed_in_with: Mapped[str] = mapped_column(String(METHOD_LENGTH))
    """ "password", "password and code", "passkey"."""
    address: Mapped[str] = mapped_column(String(45))
    """IP address of the last recorded use."""
    device: Mapped[str] = mapped_column(String(DEVICE_LENGTH))
    """ "Firefox on Windows"."""

    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """The account of a portal session, which opens no other; NULL for others (V8)."""
    role: Mapped[Role | None] = mapped_column(String(20))
    """The most that a portal session may do."""
    return_url: Mapped[str | None] = mapped_column(String(500))
    """The page of the provider's portal from which the person came."""
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"), index=True)
    """The provider's key that made the link of a portal session."""

    user: Mapped[User] = relationship()

    @classmethod
    def start(cls, wall: datetime, **facts: Any) -> "tuple[UserSession, str]":
        """Return a session that starts now, and the cookie's token, which is not stored."""
        token = new_token()
        started = {"started_at": wall, "last_used_at": wall, "proved_at": wall}
        return cls(token_hash=hash_token(token), **started, **facts), token

    @property
    def lifetime(self) -> Lifetime:
        return LIFETIMES[self.remember] if self.account_id is None else OF_PORTAL

    def is_alive(self, now: datetime) -> bool:
        lifetime = self.lifetime
        return now < self.last_used_at + lifetime.idle and now < self.started_at + lifetime.absolute

    def should_record_use(self, now: datetime) -> bool:
        return now >= self.last_used_at + NOTED_EVERY

    @staticmethod
    def find(session: Session, token: str, now: datetime) -> "UserSession | None":
        """Return the unexpired session, with its user and accounts, in one query."""
        found = session.scalars(_FIND, {"token_hash": hash_token(token)}).unique().one_or_none()
        return found if found is not None and found.is_alive(now) else None

    @staticmethod
    def listed(session: Session, user_id: int, now: datetime) -> "Sequence[UserSession]":
        """Return the person's unexpired sessions, last used first."""
        query = select(UserSession).where(UserSession.user_id == user_id)
        found = session.scalars(query.order_by(UserSession.last_used_at.desc(), UserSession.id))
        return [one for one in found if one.is_alive(now)]


def new_token() -> str:
    return token_urlsafe(32)


def hash_token(token: str) -> str:
    # With 256 random bits, a slow hash would not make it safer.
    return sha256(token.encode()).hexdigest()


def end_sessions(session: Session, user: User, *, keep: int | None = None) -> None:
    """End a person's sessions, earlier links in emails, and sign-ins that wait for a code.

    `keep`: id of a session that does not end.
    """
    user.session_version += 1
    mine = delete(UserSession).where(UserSession.user_id == user.id)
    session.execute(mine if keep is None else mine.where(UserSession.id != keep))


def record_use(ctx: Context, session_id: int, address: str) -> None:
    noted = update(UserSession).where(UserSession.id == session_id)
    ctx.session.execute(noted.values(last_used_at=ctx.now, address=address))


_FIND = (
    select(UserSession)
    .where(UserSession.token_hash == bindparam("token_hash"))
    .options(
        joinedload(UserSession.user, innerjoin=True)
        .joinedload(User.memberships)
        .joinedload(Membership.account)
        .joinedload(Account.settings)
    )
)
