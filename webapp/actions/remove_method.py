"""The customer removes a method (M10), and the processor forgets it (M13)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.look import look
from webapp.clock import Clock
from webapp.domain import audit, payment_methods, payments
from webapp.domain.accounts import Account
from webapp.domain.audit import Actor
from webapp.domain.errors import Conflict
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.policy import Policy
from webapp.ports import Processors


def remove_method(
    session: Session,
    account_id: int,
    method_id: int,
    actor: Actor,
    now: datetime,
    policy: Policy,
) -> PaymentMethod:
    """Take it off the list at once; `revoke_removed` then tells the processor.

    Raises `NotFound`, or `Conflict` while a payment with it is open.
    """
    account = Account.locked(session, account_id)
    method = payment_methods.find(session, account_id, method_id)
    if payments.open_attempt_with(session, method_id) is not None:
        raise Conflict(
            f"A payment with {method.label} is under way. Remove it when that is settled.",
            code="payment_open",
        )
    method.remove(now)
    session.flush()
    rest = payment_methods.listed(session, account_id)
    payment_methods.place(session, {m.id: m for m in rest}, [m.id for m in rest])
    audit.record(session, account_id, actor, "method_removed", now, method=method.label)
    look(session, account, "method removed", now, policy)
    session.commit()
    return method


def revoke_removed(session: Session, processors: Processors, clock: Clock) -> int:
    """Tell processors of removed methods until each is forgotten there. How many now are."""
    waiting: Sequence[PaymentMethod] = session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.removed_at.is_not(None), PaymentMethod.revoked_at.is_(None)
        )
    ).all()
    due = [(m.id, m.account_id, m.processor, m.processor_reference) for m in waiting]
    session.rollback()
    done = 0
    for method_id, account_id, processor, reference in due:
        if processors[processor].revoke(reference):
            Account.locked(session, account_id)
            session.get_one(PaymentMethod, method_id).revoked_at = clock.now()
            session.commit()
            done += 1
    return done
