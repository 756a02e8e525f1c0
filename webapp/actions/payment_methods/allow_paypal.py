"""Allow or disallow PayPal for an account; an operator's decision (M11)."""

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context


def allow_paypal(ctx: Context, account_id: int, allowed: bool, *, reason: str = "") -> None:
    """Set whether PayPal is offered; existing agreements are unchanged. Raises `NotFound`."""
    account = Account.locked(ctx.session, account_id)
    if account.paypal_allowed != allowed:
        account.paypal_allowed = allowed
        details = {"allowed": allowed} | ({"reason": reason} if reason else {})
        audit.record(ctx, account_id, "paypal_allowed", **details)
    ctx.session.commit()
