"""Portal links (V8): one-time links by which the provider's portal signs a person in.

Their times are those of the wall clock, as of all sessions.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, ForeignKey, String, delete, exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.shared.context import Context
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users.sessions import UserSession, hash_token
from webapp.domain.users.user import PORTAL_DOMAIN, Role, User

LASTS = timedelta(seconds=60)
KEPT = timedelta(days=1)
"""How long an ended link is remembered, so that its page can say what happened to it."""

URL_LENGTH = 500

ROLES = (Role.OWNER, Role.ADMIN, Role.BILLING, Role.TECHNICAL)

NO_PASSWORD = ""
"""Password hash that matches no password."""

SIGNED_IN_WITH = "portal"


class LinkState(StrEnum):
    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"
    """The provider's key that made it is revoked or has expired."""
    UNKNOWN = "unknown"


class PortalLink(Base):
    __tablename__ = "portal_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    role: Mapped[Role] = mapped_column(String(20))
    return_url: Mapped[str] = mapped_column(String(URL_LENGTH))
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"), index=True)
    """The provider's key that made the link; NULL: a command did."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


@dataclass(frozen=True)
class PortalChoice:
    """Who is signed in, and where they come from."""

    role: str
    return_url: str
    email: str | None = None
    """A member's address; None: a person whom only the provider's portal knows."""

    def faults(self) -> dict[str, str]:
        """Return an error for each invalid field."""
        faults: dict[str, str] = {}
        if self.role not in ROLES:
            faults["role"] = f"Must be {', '.join(ROLES[:-1])} or {ROLES[-1]}"
        if fault := fault_of_return_url(self.return_url):
            faults["return_url"] = fault
        return faults


def fault_of_return_url(url: str) -> str:
    """Return why people cannot be led back to this address; empty if they can."""
    wrong = f"Must be an https URL of at most {URL_LENGTH} characters"
    if len(url) > URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        return wrong
    try:
        parsed = urlsplit(url)
        host = parsed.hostname or ""
        _ = parsed.port
    except ValueError:
        return wrong
    if "\\" in url or not host or parsed.username is not None or parsed.password is not None:
        return wrong
    is_safe = parsed.scheme == "https" or (parsed.scheme == "http" and _is_loopback(host))
    return "" if is_safe else wrong


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def find_or_add_user(ctx: Context, account: Account) -> User:
    """Return the user of a locked account for people whom only the portal knows.

    They belong to no account, have no password, and are never emailed: only a portal session is
    theirs.
    """
    email = f"portal-{account.id}{PORTAL_DOMAIN}"
    user = ctx.session.scalar(select(User).where(User.email == email))
    if user is None:
        name = f"{ctx.policy.provider.name} portal"[:NAME_LENGTH]
        user = User(email=email, name=name, password_hash=NO_PASSWORD, created_at=ctx.now)
        ctx.session.add(user)
        ctx.session.flush()
    return user


def take(ctx: Context, token: str) -> PortalLink | None:
    """Mark an open link as used and return it, once; None if it cannot be used."""
    hashed, wall = hash_token(token), ctx.clock.wall()
    taken = ctx.session.connection().execute(
        update(PortalLink)
        .where(PortalLink.token_hash == hashed, *_is_open(wall), ~_is_of_ended_key(ctx.now))
        .values(used_at=wall)
    )
    if taken.rowcount != 1:
        return None
    return ctx.session.scalar(select(PortalLink).where(PortalLink.token_hash == hashed))


def find_open(ctx: Context, token: str) -> PortalLink | None:
    """Return the link if it can be used."""
    mine = PortalLink.token_hash == hash_token(token)
    is_open = (*_is_open(ctx.clock.wall()), ~_is_of_ended_key(ctx.now))
    return ctx.session.scalar(select(PortalLink).where(mine, *is_open))


def state_of(ctx: Context, token: str) -> LinkState:
    mine = PortalLink.token_hash == hash_token(token)
    query = select(PortalLink, _is_of_ended_key(ctx.now)).where(mine)
    found = ctx.session.execute(query).one_or_none()
    if found is None:
        return LinkState.UNKNOWN
    link, is_revoked = found
    if link.used_at is not None:
        return LinkState.USED
    if is_revoked:
        return LinkState.REVOKED
    return LinkState.OPEN if ctx.clock.wall() < link.expires_at else LinkState.EXPIRED


def end_by_key(session: Session, key_id: int, wall: datetime) -> Counter[int]:
    """End the sessions that an ended key of the provider has made; its links stop working.

    Returns how many sessions and unused links each account had.
    """
    open_ = (PortalLink.api_key_id == key_id, *_is_open(wall))
    ended = Counter(session.scalars(select(PortalLink.account_id).where(*open_)))
    sessions = session.scalars(select(UserSession).where(UserSession.api_key_id == key_id)).all()
    for one in sessions:
        if one.is_alive(wall) and one.account_id is not None:
            ended[one.account_id] += 1
        session.delete(one)
    return ended


def delete_old(session: Session, wall: datetime) -> None:
    session.execute(delete(PortalLink).where(PortalLink.expires_at < wall - KEPT))


def _is_open(wall: datetime) -> tuple[ColumnElement[bool], ...]:
    return PortalLink.used_at.is_(None), PortalLink.expires_at > wall


def _is_of_ended_key(now: datetime) -> ColumnElement[bool]:
    """Whether a link's key has ended. Keys expire by the product's clock, not by the wall clock."""
    return exists().where(ApiKey.id == PortalLink.api_key_id, ~api_keys.working(now))
