"""What the pretend processor asks people on pages of its own, and how each question ended.

The bank's 3-D Secure challenge, when a card is saved or charged, and PayPal's agreement are such
questions. Each is answered once, within its life; what comes after finds how it ended.
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
"""After that it can only be given up."""

# One slash and no backslash: a browser takes "//host" and "/\host" for another host.
_PATH_HERE = re.compile(r"/(?!/)[!-\[\]-~]*")


class ChallengeKind(StrEnum):
    CARD = "card"
    """The bank asks before a card is saved (M6)."""
    AGREEMENT = "agreement"
    """PayPal asks its customer to agree."""
    CHARGE = "charge"
    """The bank asks whoever is paying."""


class ChallengeState(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Challenge:
    id: str
    """Nobody guesses it, so whoever knows it may answer."""
    kind: ChallengeKind
    subject: str
    """What waits for it: the reference to be of a card or an agreement, or a charge's key."""
    return_to: str
    state: ChallengeState
    created_at: datetime
    ended_at: datetime | None
    account_id: int | None
    """The account that it was begun for (M14); None for a charge's."""

    @property
    def at(self) -> datetime:
        """When it ended; while it is open, when it began."""
        return self.ended_at or self.created_at

    def can_be_answered(self, now: datetime) -> bool:
        return self.state is ChallengeState.OPEN and now - self.created_at < LIFE

    def asks(self) -> NeedsCustomer:
        return NeedsCustomer(self.id, self.created_at, address_of(self.kind, self.id))


def address_of(kind: ChallengeKind, id_: str) -> str:
    page = "paypal" if kind is ChallengeKind.AGREEMENT else "challenges"
    return f"/sandbox/{page}/{id_}"


def leads_here(path: str) -> bool:
    """Whether people may be sent there: no page of ours leads to another host."""
    return _PATH_HERE.fullmatch(path) is not None


# Within the transaction of whoever has something waiting for it:


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
    """Ask. `decline_code` is what the bank says even after a yes; empty: it agrees."""
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
    """End it this way, if it is open, and young enough to be answered. True if that ended it."""
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
