"""How often something may be tried: by a person, by an account, from an address.

Each try is a row, so all processes of an installation count together and need nothing beside the
database; what is counted is the last so-and-so long, not the present hour. Rows name nobody: their
subject is a digest. Whoever may not try now is told when again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network

from sqlalchemy import Index, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base

KEPT = timedelta(days=1)
"""Longer than any limit looks back."""

OF_ONE_LINE = 64
"""Bits of an IPv6 address that a line has for itself: it may use any address below them."""


@dataclass(frozen=True)
class Limit:
    """So many tries within this span."""

    name: str
    times: int
    span: timedelta


@dataclass(frozen=True)
class Count:
    """One limit, and for whom it counts."""

    limit: Limit
    subject: str

    @property
    def key(self) -> str:
        return f"{self.limit.name} {sha256(self.subject.encode()).hexdigest()[:40]}"


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

SIGN_IN = Limit("sign-in", 10, 15 * MINUTE)
"""One e-mail address from one line, so that nobody can lock out somebody else."""
SIGN_IN_FROM = Limit("sign-in-from", 50, 15 * MINUTE)
SIGN_IN_AS = Limit("sign-in-as", 100, HOUR)
"""One e-mail address, from wherever: many lines guess together."""

CODE = Limit("code", 10, 15 * MINUTE)
"""Codes, and passwords asked for again, of one person: a code has a million values."""

RESET = Limit("reset", 5, HOUR)
"""Mails to one address."""
RESET_FROM = Limit("reset-from", 20, HOUR)

SIGN_UP_FROM = Limit("sign-up-from", 20, HOUR)
CONFIRMATION = Limit("confirmation", 10, HOUR)
"""Links that one person has sent to new addresses of theirs."""

INVITATION = Limit("invitation", 30, HOUR)
INVITATION_FROM = Limit("invitation-from", 60, HOUR)

CARD = Limit("card", 10, HOUR)
"""Of one account. Whoever tests stolen cards needs hundreds."""
CARD_FROM = Limit("card-from", 20, HOUR)

CAPTURE_FROM = Limit("capture-from", 60, HOUR)
"""Cards in the sandbox's form, right or wrong: each is a row there."""

RETRY = Limit("retry", 5, HOUR)
"""Of one account."""

KEY = Limit("key", 20, HOUR)
"""New API keys of one account."""
KEY_FROM = Limit("key-from", 60, MINUTE)
"""API keys that nobody has, from one line."""


class Try(Base):
    __tablename__ = "throttle_try"
    __table_args__ = (Index("ix_throttle_try_key_at", "key", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(index=True)


def line_of(address: str) -> str:
    """Whom an address stands for: itself, or all of an IPv6 line's."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 4 or mapped:
        return str(mapped or found)
    return str(ip_network((found, OF_ONE_LINE), strict=False))


def resets_in(session: Session, counts: Iterable[Count], now: datetime) -> timedelta:
    """Until none of them stands in the way; zero: now. The longest of the waits."""
    return max((_wait(session, count, now) for count in counts), default=timedelta(0))


def _wait(session: Session, count: Count, now: datetime) -> timedelta:
    limit = count.limit
    # The try that has to have gone by: as many as are allowed have come after it, or it is the
    # last of them. What lies ahead comes from a clock that was set back.
    blocking = session.scalar(
        select(Try.at)
        .where(Try.key == count.key, Try.at > now - limit.span, Try.at < now + limit.span)
        .order_by(Try.at.desc())
        .offset(limit.times - 1)
        .limit(1)
    )
    return max(blocking + limit.span - now, timedelta(0)) if blocking else timedelta(0)


def hit(session: Session, counts: Iterable[Count], now: datetime) -> None:
    """One more try of each. What no limit looks back to any more goes with it."""
    session.execute(delete(Try).where(Try.at < now - KEPT))
    session.add_all(Try(key=count.key, at=now) for count in counts)


def clear(session: Session, counts: Iterable[Count]) -> None:
    """As if there had been no try: it was the right person."""
    session.execute(delete(Try).where(Try.key.in_([count.key for count in counts])))


def lock(session: Session, counts: Iterable[Count]) -> None:
    """Who tries the same at once is counted one after the other. SQLite lets one write anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for key in sorted(count.key for count in counts):
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
