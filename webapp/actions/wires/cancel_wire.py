"""Cancel a wire request as a customer (L5)."""

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import money
from webapp.domain.shared.context import Context
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import WireRequest, WireState


def cancel_wire(ctx: Context, account_id: int, wire_id: int) -> WireRequest:
    """Cancel the request; cancelling again changes nothing.

    Raises `NotFound`, or `Conflict` if the request was completed or rejected.
    """
    account = Account.locked(ctx.session, account_id)
    wire = wires.find(ctx.session, account_id, wire_id)
    if wire.state == WireState.CANCELLED:
        ctx.session.rollback()
        return wire
    wire.require_open()
    wire.cancel(ctx.session, ctx.now)
    audit.record(ctx, account_id, "wire_cancelled", wire=wire.reference)
    facts = {
        "request_id": str(wire.id),
        "reference": wire.reference,
        "amount": money.show(wire.amount, wire.currency, account.locale),
        "by": ctx.actor.name,
        "at": account.mailed(ctx.now, ctx.now),
    }
    outbox.enqueue(ctx, account, NoticeKind.WIRE_CANCELLED, f"wire {wire.id}", facts)
    ctx.session.commit()
    return wire
