"""Reject a wire request as an operator, with a reason (L5)."""

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.wires import WireRejected
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, NotFound
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import REASON_LENGTH, WireRequest, WireState


def reject_wire(ctx: Context, wire_id: int, reason: str) -> bool:
    """Reject the request. `reason` is shown to the customer. False if it was rejected before.

    Raises `NotFound`, `Invalid`, or `Conflict` if the request was completed or cancelled.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "Enter a reason. The customer will see it"})
    if fault := texts.fault(reason, REASON_LENGTH):
        raise Invalid({"reason": fault})
    wire = ctx.session.get(WireRequest, wire_id)
    if wire is None:
        raise NotFound(f"Wire transfer {wire_id}")
    account = Account.locked(ctx.session, wire.account_id)
    wire = wires.find(ctx.session, account.id, wire_id)
    if wire.state == WireState.REJECTED:
        ctx.session.rollback()
        return False
    wire.require_open()
    wire.reject(ctx.session, reason, ctx.now)
    events.record(ctx, account.id, WireRejected.about(wire, reason=reason))
    ctx.session.commit()
    return True
