"""Release a hold without usage (T12)."""

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


def release_hold(ctx: Context, account_id: int, reference: str) -> Hold:
    """Release the hold, also an expired one, which could be extended; a hold that has ended is
    unchanged. Raises `NotFound`.
    """
    account = Account.locked(ctx.session, account_id)
    hold = holds.find(ctx.session, account_id, reference)
    if hold.state == HoldState.OPEN:
        hold.end(account, HoldState.RELEASED, ctx.now)
    elif hold.state == HoldState.EXPIRED:
        hold.state = HoldState.RELEASED
    ctx.session.commit()
    return hold
