"""Record expired holds. They hold nothing from their expiry on, recorded or not (T12)."""

from sqlalchemy import select

from webapp.actions.batch import run_each
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Hold, HoldState


def expire_holds(ctx: Context) -> int:
    """Return how many holds were recorded as expired."""
    due = ctx.session.execute(
        select(Hold.account_id, Hold.reference).where(holds.expired(ctx.now))
    ).all()
    ctx.session.rollback()

    def expire(one: tuple[int, str]) -> bool:
        account_id, reference = one
        account = Account.locked(ctx.session, account_id)
        hold = holds.find(ctx.session, account_id, reference)
        has_expired = hold.state == HoldState.OPEN and hold.standing(ctx.now) is HoldState.EXPIRED
        if has_expired:
            hold.end(account, HoldState.EXPIRED, ctx.now)
        ctx.session.commit()
        return has_expired

    return run_each(ctx.session, [(row.account_id, row.reference) for row in due], expire, "hold")
