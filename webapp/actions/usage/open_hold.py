"""Authorise a call or job: hold its expected cost, if the account can pay it (T12, V5)."""

from dataclasses import dataclass

from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict
from webapp.domain.usage import holds
from webapp.domain.usage.hold_request import HoldRequest
from webapp.domain.usage.holds import Hold


@dataclass(frozen=True)
class Opened:
    hold: Hold
    is_new: bool


def open_hold(ctx: Context, account_id: int, reference: str, request: HoldRequest) -> Opened:
    """Hold what is asked, or a part down to the minimum. Idempotent for the same request.

    Raises `PaymentRequired` if the available balance does not cover the minimum, `Denied` if the
    account is suspended or closed, `Invalid`, or `Conflict` if the account has its maximum of open
    holds, or if the reference is in use.
    """
    request.require_valid()
    account = Account.locked(ctx.session, account_id)
    hold = holds.by_reference(ctx.session, account_id, reference)
    if hold is not None:
        ctx.session.rollback()
        holds.require_open(hold, ctx.now)
        if (hold.asked, hold.rate) != (request.asked, request.rate):
            raise Conflict(f"The hold {reference} has another amount. Use PATCH to change it.")
        return Opened(hold, is_new=False)
    if ledger.has_reference(ctx.session, account_id, reference):
        raise Conflict(f"The usage of {reference} has already been posted.", code="hold_over")
    holds.require_service(account)
    held = holds.held(ctx, account)
    holds.require_room(account, held)
    granted = request.granted(holds.available(account, held))
    if not granted:
        raise holds.insufficient(account, held)
    hold = Hold(account_id=account_id, reference=reference, opened_at=ctx.now)
    hold.grant(request, granted, ctx.now)
    ctx.session.add(hold)
    account.open_holds += 1
    ctx.session.commit()
    return Opened(hold, is_new=True)
