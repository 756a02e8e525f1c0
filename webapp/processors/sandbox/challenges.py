"""Challenges: questions the sandbox asks customers on its own pages, and their outcomes.

A challenge is the bank's 3-D Secure question when a card is saved or charged, or PayPal's request
to approve an agreement. Each can be answered once, within `LIFE`.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex
from sqlite3 import Connection

from webapp.ports import NeedsCustomer
from webapp.processors.sandbox.store import keep_owner, owner_of, read, written

LIFE = timedelta(minutes=15)
"""An older challenge can only be cancelled."""

# One slash and no backslash, because browsers read "//host" and "/\host" as another host.
_PATH_HERE = re.compile(r"/(?!/)[!-\[\]-~]*")


class ChallengeKind(StrEnum):
    CARD = "card"
    """The bank asks before a card is saved (M6)."""
    AGREEMENT = "agreement"
    """PayPal asks the payer to approve an agreement."""
    CHARGE = "charge"
    """The bank asks the customer to confirm a charge."""


class ChallengeState(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Challenge:
    id: str
    """Unguessable, so no other authentication is needed to answer."""
    kind: ChallengeKind
    subject: str
    """The waiting object: the future reference of a card or agreement, or a charge's key."""
    return_to: str
    state: ChallengeState
    created_at: datetime
    ended_at: datetime | None
    account_id: int | None
    """The account for which it was started (M14); None for a charge."""

    @property
    def at(self) -> datetime:
        """When it ended, or when it began if it is open."""
        return self.ended_at or self.created_at

    def can_be_answered(self, now: datetime) -> bool:
        return self.state is ChallengeState.OPEN and now - self.created_at < LIFE

    def asks(self) -> NeedsCustomer:
        return NeedsCustomer(self.id, self.created_at, address_of(self.kind, self.id))


def address_of(kind: ChallengeKind, id_: str) -> str:
    page = "paypal" if kind is ChallengeKind.AGREEMENT else "challenges"
    return f"/sandbox/{page}/{id_}"


def leads_here(path: str) -> bool:
    """Whether the path is on this host, so that no page redirects to another host."""
    return _PATH_HERE.fullmatch(path) is not None


# The functions below run in the caller's transaction.


def begin(
    db: Connection,
    kind: ChallengeKind,
    subject: str,
    return_to: str,
    now: datetime,
    *,
    decline_code: str = "",
    account_id: int | None = None,
) -> Challenge:
    """Start a challenge.

    `decline_code`: the bank's decline after a confirmation; empty if it then approves.
    """
    id_ = f"ask_{token_hex(16)}"
    db.execute(
        "INSERT INTO challenge (id, kind, subject, decline_code, return_to, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (id_, kind, subject, decline_code, return_to, written(now)),
    )
    if account_id is not None:
        keep_owner(db, id_, account_id)
    return Challenge(id_, kind, subject, return_to, ChallengeState.OPEN, now, None, account_id)


def end(db: Connection, id_: str, state: ChallengeState, now: datetime) -> bool:
    """End an open challenge that can still be answered or is cancelled. True if this ended it."""
    oldest = "" if state is ChallengeState.CANCELLED else written(now - LIFE)
    ended = db.execute(
        "UPDATE challenge SET state = ?, ended_at = ? "
        "WHERE id = ? AND state = 'open' AND created_at > ?",
        (state, written(now), id_, oldest),
    )
    return ended.rowcount == 1


def find(db: Connection, id_: str) -> Challenge | None:
    row = db.execute("SELECT * FROM challenge WHERE id = ?", (id_,)).fetchone()
    if row is None:
        return None
    return Challenge(
        id=row["id"],
        kind=ChallengeKind(row["kind"]),
        subject=row["subject"],
        return_to=row["return_to"],
        state=ChallengeState(row["state"]),
        created_at=read(row["created_at"]),
        ended_at=read(row["ended_at"]) if row["ended_at"] else None,
        account_id=owner_of(db, id_),
    )
