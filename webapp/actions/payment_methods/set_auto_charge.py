"""Switch auto-charge for a payment method: the customer's consent (M3)."""

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import AutoChargeSwitched, MethodSuspended
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.shared.context import Context


def set_auto_charge(
    ctx: Context, account_id: int, method_id: int, on: bool, *, confirmed: int | None = None
) -> str:
    """Set auto-charge; idempotent. Returns the method's label.

    Raises `NotFound`, or `ChargeUnconfirmed` like `check_balance`.
    """
    account = Account.locked(ctx.session, account_id)
    method = payment_methods.find(ctx.session, account_id, method_id)
    name = method.label
    if method.auto_charge != on:
        confirmed = confirmed_or_due(ctx, account, confirmed)
        method.consent(on, ctx.now)
        events.record(ctx, account_id, AutoChargeSwitched.about(method, on=on))
        if on and method.suspension(ctx.now) is not None:  # F1: the suspension takes effect now
            events.record(ctx, account_id, MethodSuspended.about(method))
        if not on:
            change = f"Auto-charge for {name} was switched off"
            record_withdrawal(ctx, account, change)
        check_balance(ctx, account, "auto-charge switched", confirmed=confirmed)
    ctx.session.commit()
    return name
