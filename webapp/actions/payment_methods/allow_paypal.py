"""Allow or disallow PayPal for an account; an operator's decision (M11)."""

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import PaypalAllowed
from webapp.domain.shared.context import Context


def allow_paypal(ctx: Context, account_id: int, allowed: bool, *, reason: str = "") -> None:
    """Set whether PayPal is offered; existing agreements are unchanged. Raises `NotFound`."""
    account = Account.locked(ctx.session, account_id)
    if account.paypal_allowed != allowed:
        account.paypal_allowed = allowed
        events.record(ctx, account_id, PaypalAllowed(allowed, reason))
    ctx.session.commit()
