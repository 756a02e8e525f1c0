"""Cancel a wire request as a customer (L5)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import money
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import WireRequest, WireState


def cancel_wire(
    session: Session, account_id: int, wire_id: int, actor: Actor, now: datetime
) -> WireRequest:
    """Cancel the request; cancelling again changes nothing.

    Raises `NotFound`, or `Conflict` if the request was completed or rejected.
    """
    account = Account.locked(session, account_id)
    wire = wires.find(session, account_id, wire_id)
    if wire.state == WireState.CANCELLED:
        session.rollback()
        return wire
    wire.require_open()
    wire.cancel(session, now)
    audit.record(session, account_id, actor, "wire_cancelled", now, wire=wire.reference)
    facts = {
        "request_id": str(wire.id),
        "reference": wire.reference,
        "amount": money.show(wire.amount, wire.currency, account.locale),
        "by": actor.name,
        "at": account.mailed(now, now),
    }
    outbox.enqueue(session, account, NoticeKind.WIRE_CANCELLED, f"wire {wire.id}", facts, now)
    session.commit()
    return wire
