"""Change the amount or the expiry of an open hold (T12)."""

from datetime import timedelta

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold


def change_hold(
    ctx: Context, account_id: int, reference: str, amount: int | None, lasts: timedelta | None
) -> Hold:
    """Set `amount` (micros) and the remaining time `lasts`; None leaves a value unchanged.

    Raises `NotFound`, or `Conflict` if the hold has ended.
    """
    account = Account.locked(ctx.session, account_id)
    hold = holds.find(ctx.session, account_id, reference)
    holds.require_open(hold, ctx.now)
    if amount is not None:
        holds.require_countable(ctx, account, amount - hold.amount)
        hold.amount = amount
    if lasts is not None:
        hold.expires_at = ctx.now + lasts
    ctx.session.commit()
    return hold
