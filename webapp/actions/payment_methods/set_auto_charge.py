"""Switch auto-charge for a payment method: the customer's consent (M3)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.shared.policy import Policy
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import EventKind


def set_auto_charge(
    session: Session,
    account_id: int,
    method_id: int,
    on: bool,
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    confirmed: int | None = None,
) -> str:
    """Set auto-charge; idempotent. Returns the method's label.

    Raises `NotFound`, or `ChargeUnconfirmed` like `check_balance`.
    """
    account = Account.locked(session, account_id)
    method = payment_methods.find(session, account_id, method_id)
    name = method.label
    if method.auto_charge != on:
        confirmed = confirmed_or_due(session, account, confirmed, now, policy)
        method.consent(on, now)
        audit.record(session, account_id, actor, "auto_charge", now, method=name, on=on)
        if on and method.suspension(now) is not None:  # F1: the suspension takes effect now
            payloads.method(session, account, EventKind.METHOD_SUSPENDED, method, now)
        if not on:
            change = f"Auto-charge for {name} was switched off"
            record_withdrawal(session, account, change, now, policy)
        check_balance(session, account, "auto-charge switched", now, policy, confirmed=confirmed)
    session.commit()
    return name
