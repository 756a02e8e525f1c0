"""The customer gives or withdraws consent to be charged with a method (M3)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.look import look
from webapp.domain import attempts, audit, decisions, payment_methods
from webapp.domain.accounts import Account
from webapp.domain.audit import Actor
from webapp.domain.decisions import Code
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.policy import Policy


def set_auto_charge(
    session: Session,
    account_id: int,
    method_id: int,
    on: bool,
    actor: Actor,
    now: datetime,
    policy: Policy,
) -> str:
    """Set the wished state of a method; doing so twice changes nothing. Raises `NotFound`.

    Returns what it is called.
    """
    account = Account.locked(session, account_id)
    method = payment_methods.find(session, account_id, method_id)
    name = method.label
    if method.auto_charge != on:
        method.consent(on, now)
        audit.record(session, account_id, actor, "auto_charge", now, method=name, on=on)
        if not on:
            _tell_if_too_late(session, account, method, now)
        look(session, account, "auto-charge switched", now, policy)
    session.commit()
    return name


def _tell_if_too_late(
    session: Session, account: Account, method: PaymentMethod, now: datetime
) -> None:
    """T14: what is withdrawn after the attempt was written runs on, and the timeline says so."""
    attempt = attempts.open_attempt_with(session, method.id)
    if attempt is None or not attempt.automatic:
        return
    line = (
        f"Auto-charge for {method.label} was switched off while {account.show(attempt.amount)} "
        "was already being charged. That payment runs on; no further one is started."
    )
    decisions.note(session, account.id, Code.WITHDRAWN_TOO_LATE, line, now, attempt_id=attempt.id)
