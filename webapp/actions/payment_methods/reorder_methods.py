"""Change the order of an account's payment methods (M2, M5)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.policy import Policy


def reorder_methods(
    session: Session,
    account_id: int,
    order: Sequence[int],
    seen: Sequence[int],
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    confirmed: int | None = None,
) -> list[PaymentMethod]:
    """Apply `order` if the list is still `seen`, the one the user saw.

    Raises `Stale` if the list has changed since; then nothing is moved. Raises `NotFound` for a
    method of another account, or `ChargeUnconfirmed` like `check_balance`.
    """
    account = Account.locked(session, account_id)
    payment_methods.require_own(session, account_id, {*order, *seen})
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    methods = payment_methods.listed(session, account_id)
    before = [method.label for method in methods]
    if payment_methods.reorder(session, methods, order, seen):
        methods = payment_methods.listed(session, account_id)
        labels = [method.label for method in methods]
        audit.record(session, account_id, actor, "order", now, before=before, order=labels)
        record_withdrawal(session, account, "The order of methods was changed", now, policy)
        check_balance(session, account, "methods reordered", now, policy, confirmed=confirmed)
    session.commit()
    return methods
