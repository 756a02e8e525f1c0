"""Reject a wire request as an operator, with a reason (L5)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import money, texts
from webapp.domain.shared.errors import Invalid, NotFound
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import REASON_LENGTH, WireRequest, WireState


def reject_wire(session: Session, wire_id: int, reason: str, actor: Actor, now: datetime) -> bool:
    """Reject the request. `reason` is shown to the customer. False if it was rejected before.

    Raises `NotFound`, `Invalid`, or `Conflict` if the request was completed or cancelled.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "Enter a reason. The customer will see it"})
    if fault := texts.fault(reason, REASON_LENGTH):
        raise Invalid({"reason": fault})
    wire = session.get(WireRequest, wire_id)
    if wire is None:
        raise NotFound(f"Wire transfer {wire_id}")
    account = Account.locked(session, wire.account_id)
    wire = wires.find(session, account.id, wire_id)
    if wire.state == WireState.REJECTED:
        session.rollback()
        return False
    wire.require_open()
    wire.reject(session, reason, now)
    details = {"wire": wire.reference, "reason": reason}
    audit.record(session, account.id, actor, "wire_rejected", now, **details)
    facts = {
        "request_id": str(wire.id),
        "reference": wire.reference,
        "amount": money.show(wire.amount, wire.currency, account.locale),
        "reason": reason,
    }
    outbox.enqueue(session, account, NoticeKind.WIRE_REJECTED, f"wire {wire.id}", facts, now)
    session.commit()
    return True
