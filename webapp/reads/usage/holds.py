"""What calls in progress hold, and what of the balance is left beside it (T12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


@dataclass(frozen=True)
class HoldSummary:
    """Micros."""

    balance: int
    held: int
    available: int
    """The balance without what is held."""


def read_hold_summary(session: Session, account: Account, now: datetime) -> HoldSummary:
    held = holds.held(session, account, now).amount
    return HoldSummary(account.balance, held, account.balance - held)


def read_open_holds(session: Session, account_id: int, now: datetime) -> Sequence[Hold]:
    """The oldest first."""
    return session.scalars(
        select(Hold)
        .where(Hold.account_id == account_id, Hold.state == HoldState.OPEN, Hold.expires_at > now)
        .order_by(Hold.id)
        .limit(1_000)
    ).all()
