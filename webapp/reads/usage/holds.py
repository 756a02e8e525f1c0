"""Holds of calls in progress (T12)."""

from collections.abc import Sequence

from sqlalchemy import select

from webapp.domain.shared.context import Context
from webapp.domain.usage.holds import Hold, HoldState


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
