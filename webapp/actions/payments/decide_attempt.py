"""An operator decides about an attempt that the processor leaves open (L9, L10)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.payments.settle import settle
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payments import queries
from webapp.domain.payments.payment import BY_OPERATOR, Attempt
from webapp.domain.shared.errors import Conflict, Invalid, NotFound
from webapp.domain.shared.policy import Policy
from webapp.ports import Cancelled, Paid


def decide_attempt(
    session: Session,
    attempt_id: int,
    paid: bool,
    reason: str,
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    confirmed: int | None = None,
) -> None:
    """Settle it as paid in full, or as not charged, by what the processor's own books say.

    Raises `NotFound`, `Invalid` without a reason, `Conflict` for one that does not wait for it, or
    `ChargeUnconfirmed` as `check_balance` does: a refill that it kept waiting is charged at once.
    """
    if not reason.strip():
        raise Invalid({"reason": "Say what the processor's books show"})
    found = session.get(Attempt, attempt_id)
    if found is None:
        raise NotFound("That attempt")
    if not found.needs_operator:
        raise Conflict("This attempt does not wait for a decision.", code="not_waiting")
    account_id = found.account_id
    details = {"attempt": attempt_id, "paid": paid, "reason": reason.strip()}

    def record() -> None:
        audit.record(session, account_id, actor, "attempt_decided", now, **details)

    if found.is_open:
        reference = found.processor_reference or BY_OPERATOR
        answer = Paid(reference, found.amount, found.currency, now) if paid else Cancelled(now)
        around = (now, policy)
        if not settle(session, attempt_id, answer, *around, record=record, confirmed=confirmed):
            raise Conflict("This attempt was settled meanwhile.", code="not_open")
        return
    if paid:
        raise Conflict(
            "This attempt was settled as not paid. Credit the money by an adjustment, then decide "
            "it as not paid.",
            code="settled_as_not_paid",
        )
    Account.locked(session, account_id)
    queries.find_attempt(session, account_id, attempt_id).needs_operator = False
    record()
    session.commit()
