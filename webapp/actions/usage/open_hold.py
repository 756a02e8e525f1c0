"""Open a hold for the expected cost of a call or job (T12)."""

from dataclasses import dataclass
from datetime import timedelta

from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict
from webapp.domain.usage import holds
from webapp.domain.usage.holds import LIFE, Hold


@dataclass(frozen=True)
class Opened:
    hold: Hold
    is_new: bool


def open_hold(
    ctx: Context, account_id: int, reference: str, amount: int, lasts: timedelta = LIFE
) -> Opened:
    """Hold `amount` (micros). Idempotent for the same reference and amount.

    Raises `Conflict` if the hold is open with another amount, has ended, or its usage has been
    posted.
    """
    account = Account.locked(ctx.session, account_id)
    hold = holds.by_reference(ctx.session, account_id, reference)
    if hold is not None:
        ctx.session.rollback()
        holds.require_open(hold, ctx.now)
        if hold.amount != amount:
            raise Conflict(f"The hold {reference} has another amount. Use PATCH to change it.")
        return Opened(hold, is_new=False)
    if ledger.has_reference(ctx.session, account_id, reference):
        raise Conflict(f"The usage of {reference} has already been posted.", code="hold_over")
    holds.require_countable(ctx, account, amount)
    hold = Hold(
        account_id=account_id,
        reference=reference,
        amount=amount,
        opened_at=ctx.now,
        expires_at=ctx.now + lasts,
    )
    ctx.session.add(hold)
    account.open_holds += 1
    ctx.session.commit()
    return Opened(hold, is_new=True)
