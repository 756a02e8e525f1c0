"""The operator ends a wire request without a credit, and says why (L5)."""

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
    """`reason` is read by the customer. False if it had been rejected before.

    Raises `NotFound`, `Invalid`, or `Conflict` where it has ended in another way.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "Say why; the customer reads it"})
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
