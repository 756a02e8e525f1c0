"""Release a hold without usage (T12)."""

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


def release_hold(ctx: Context, account_id: int, reference: str) -> Hold:
    """Release the hold; a hold that has ended is unchanged. Raises `NotFound`."""
    account = Account.locked(ctx.session, account_id)
    hold = holds.find(ctx.session, account_id, reference)
    if hold.state == HoldState.OPEN:
        expired = hold.standing(ctx.now) is HoldState.EXPIRED
        hold.end(account, HoldState.EXPIRED if expired else HoldState.RELEASED, ctx.now)
    ctx.session.commit()
    return hold
