"""Change the order of an account's payment methods (M2, M5)."""

from collections.abc import Sequence

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodsReordered
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.context import Context


def reorder_methods(
    ctx: Context,
    account_id: int,
    order: Sequence[int],
    seen: Sequence[int],
    *,
    confirmed: int | None = None,
) -> list[PaymentMethod]:
    """Apply `order` if the list is still `seen`, the one the user saw.

    Raises `Stale` if the list has changed since; then nothing is moved. Raises `NotFound` for a
    method of another account, or `ChargeUnconfirmed` like `check_balance`.
    """
    account = Account.locked(ctx.session, account_id)
    payment_methods.require_own(ctx.session, account_id, {*order, *seen})
    confirmed = confirmed_or_due(ctx, account, confirmed)
    methods = payment_methods.listed(ctx.session, account_id)
    before = [method.label for method in methods]
    if payment_methods.reorder(ctx.session, methods, order, seen):
        methods = payment_methods.listed(ctx.session, account_id)
        labels = [method.label for method in methods]
        events.record(ctx, account_id, MethodsReordered(labels, before))
        record_withdrawal(ctx, account, "The order of methods was changed")
        check_balance(ctx, account, "methods reordered", confirmed=confirmed)
    ctx.session.commit()
    return methods
