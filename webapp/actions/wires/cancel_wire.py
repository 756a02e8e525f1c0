"""Cancel a wire request as a customer (L5)."""

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.wires import WireCancelled
from webapp.domain.shared.context import Context
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import WireRequest, WireState


def cancel_wire(ctx: Context, account_id: int, wire_id: int) -> WireRequest:
    """Cancel the request; cancelling again changes nothing.

    Raises `NotFound`, or `Conflict` if the request was completed or rejected.
    """
    Account.locked(ctx.session, account_id)
    wire = wires.find(ctx.session, account_id, wire_id)
    if wire.state == WireState.CANCELLED:
        ctx.session.rollback()
        return wire
    wire.require_open()
    wire.cancel(ctx.session, ctx.now)
    events.record(ctx, account_id, WireCancelled.about(wire))
    ctx.session.commit()
    return wire
