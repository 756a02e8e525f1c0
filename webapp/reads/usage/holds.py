"""Holds of calls in progress, and the available balance (T12)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


@dataclass(frozen=True)
class HoldSummary:
    """Balance, held amount and available amount, in micros."""

    balance: int
    held: int
    available: int
    """Balance minus holds, plus the credit limit (V5)."""


def read_hold_summary(ctx: Context, account: Account) -> HoldSummary:
    held = holds.held(ctx, account)
    return HoldSummary(account.balance, held.amount, holds.available(account, held))


def read_open_holds(ctx: Context, account_id: int) -> Sequence[Hold]:
    """Return up to 1,000 open holds, oldest first."""
    return ctx.session.scalars(
        select(Hold)
        .where(
            Hold.account_id == account_id, Hold.state == HoldState.OPEN, Hold.expires_at > ctx.now
        )
        .order_by(Hold.id)
        .limit(1_000)
    ).all()
