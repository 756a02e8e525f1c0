"""Rate limits per person, account and IP address.

Each attempt is a row in the database, so all processes count together. The window slides: it is
the last period, not the current hour. The subjects are stored as digests.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network

from sqlalchemy import Index, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.advisory_locks import lock_until_commit
from webapp.database.base import Base
from webapp.domain.shared.context import Context

KEPT = timedelta(days=1)
"""Retention time of attempts, longer than the period of any limit."""

IPV6_PREFIX_LENGTH = 64
"""Length of the IPv6 prefix that counts as one client, which can use any address in it."""


@dataclass(frozen=True)
class Limit:
    """A maximum number of attempts within a sliding period."""

    name: str
    times: int
    span: timedelta


@dataclass(frozen=True)
class Count:
    """A limit and the subject that it counts for."""

    limit: Limit
    subject: str

    @property
    def key(self) -> str:
        return f"{self.limit.name} {sha256(self.subject.encode()).hexdigest()[:40]}"


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

SIGN_IN = Limit("sign-in", 10, 15 * MINUTE)
"""Per email address and IP prefix, so that an attacker cannot lock out a user."""
SIGN_IN_FROM = Limit("sign-in-from", 50, 15 * MINUTE)
SIGN_IN_AS = Limit("sign-in-as", 100, HOUR)
"""Per email address, against guessing from many IP addresses."""

CODE = Limit("code", 10, 15 * MINUTE)
"""Codes and re-entered passwords per person; a code has only a million values."""

RESET = Limit("reset", 5, HOUR)
"""Password reset emails per address."""
RESET_FROM = Limit("reset-from", 20, HOUR)

SIGN_UP_FROM = Limit("sign-up-from", 20, HOUR)
CONFIRMATION = Limit("confirmation", 10, HOUR)
"""Confirmation emails to new addresses per person."""

INVITATION = Limit("invitation", 30, HOUR)
INVITATION_FROM = Limit("invitation-from", 60, HOUR)

CARD = Limit("card", 10, HOUR)
"""New cards per account, against testing stolen cards, which takes hundreds."""
CARD_FROM = Limit("card-from", 20, HOUR)

CAPTURE_FROM = Limit("capture-from", 60, HOUR)
"""Submissions of the sandbox's card form per IP address; each writes a row."""

RETRY = Limit("retry", 5, HOUR)
"""Retries per account."""

KEY = Limit("key", 20, HOUR)
"""New API keys per account, and of the provider."""
KEY_FROM = Limit("key-from", 60, MINUTE)
"""Requests with unknown API keys per IP address."""


class Try(Base):
    __tablename__ = "throttle_try"
    __table_args__ = (Index("ix_throttle_try_key_at", "key", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(index=True)


def client_of(address: str) -> str:
    """Return the client that an IP address counts for: an IPv4 address or an IPv6 prefix."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 4 or mapped:
        return str(mapped or found)
    return str(ip_network((found, IPV6_PREFIX_LENGTH), strict=False))


def resets_in(ctx: Context, counts: Iterable[Count]) -> timedelta:
    """Return the time until all limits allow an attempt; zero if they do now."""
    return max((_wait(ctx, count) for count in counts), default=timedelta(0))


def _wait(ctx: Context, count: Count) -> timedelta:
    limit = count.limit
    # The limit allows an attempt again when this one has left the window. Attempts beyond the
    # window in the future were stamped before the clock was set back.
    blocking = ctx.session.scalar(
        select(Try.at)
        .where(Try.key == count.key, Try.at > ctx.now - limit.span, Try.at < ctx.now + limit.span)
        .order_by(Try.at.desc())
        .offset(limit.times - 1)
        .limit(1)
    )
    return max(blocking + limit.span - ctx.now, timedelta(0)) if blocking else timedelta(0)


def hit(ctx: Context, counts: Iterable[Count]) -> None:
    """Record an attempt for each limit, and delete attempts that no limit counts any more."""
    ctx.session.execute(delete(Try).where(Try.at < ctx.now - KEPT))
    ctx.session.add_all(Try(key=count.key, at=ctx.now) for count in counts)


def clear(session: Session, counts: Iterable[Count]) -> None:
    """Delete the attempts after a success."""
    session.execute(delete(Try).where(Try.key.in_([count.key for count in counts])))


def lock(session: Session, counts: Iterable[Count]) -> None:
    """Serialise concurrent attempts of the same subjects; SQLite has a single writer anyway."""
    lock_until_commit(session, [count.key for count in counts])
