"""Allow or disallow PayPal for an account; an operator's decision (M11)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor


def allow_paypal(
    session: Session,
    account_id: int,
    allowed: bool,
    actor: Actor,
    now: datetime,
    *,
    reason: str = "",
) -> None:
    """Set whether PayPal is offered; existing agreements are unchanged. Raises `NotFound`."""
    account = Account.locked(session, account_id)
    if account.paypal_allowed != allowed:
        account.paypal_allowed = allowed
        details = {"allowed": allowed} | ({"reason": reason} if reason else {})
        audit.record(session, account_id, actor, "paypal_allowed", now, **details)
    session.commit()
