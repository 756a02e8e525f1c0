"""Remove a payment method (M10) and queue its revocation at the processor (M13)."""

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.payments.challenges import conclude_challenge_with
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodRemoved
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods import revocations
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict


def remove_method(
    ctx: Context, account_id: int, method_id: int, *, confirmed: int | None = None
) -> PaymentMethod:
    """Remove the method from the list; `revoke_methods` revokes it at the processor later.

    Raises `NotFound`, `Conflict` while a payment with the method is open, or `ChargeUnconfirmed`
    like `check_balance`.
    """
    conclude_challenge_with(ctx, account_id, method_id)
    ctx = ctx.later()
    account = Account.locked(ctx.session, account_id)
    method = payment_methods.find(ctx.session, account_id, method_id)
    if queries.open_attempt_with(ctx.session, method_id) is not None:
        raise Conflict(
            f"A payment with {method.label} is in progress. Remove it when the payment is settled.",
            code="payment_open",
        )
    confirmed = confirmed_or_due(ctx, account, confirmed)
    take_off(ctx, method)
    ctx.session.flush()
    rest = payment_methods.listed(ctx.session, account_id)
    payment_methods.place(ctx.session, {m.id: m for m in rest}, [m.id for m in rest])
    record_withdrawal(ctx, account, f"{method.label} was removed")
    check_balance(ctx, account, "method removed", confirmed=confirmed)
    ctx.session.commit()
    return method


def take_off(ctx: Context, method: PaymentMethod) -> None:
    """Take a locked account's method off the list, in the caller's transaction."""
    method.remove(ctx.now)
    revocations.ask(ctx, method.account_id, method.processor, method.processor_reference)
    events.record(ctx, method.account_id, MethodRemoved.about(method))
