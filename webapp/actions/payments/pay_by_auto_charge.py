"""Add Funds by Auto-charge: the chain of T6 and T7 for an amount the user enters (L4)."""

from collections.abc import Collection

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.payments.challenges import conclude_challenge_with
from webapp.actions.payments.charge import charge
from webapp.actions.payments.failure_emails import fail_payment
from webapp.actions.payments.payment_requests import (
    audit_request,
    check_amount,
    new_payment,
    require_seen,
    same_payment,
)
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import ChainEnded
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.payments.payment import CHAIN_LIFE, Attempt, Payment, PaymentKind, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict
from webapp.domain.top_ups import top_up as top_ups

NO_METHOD = "No payment method with auto-charge on can be charged now"


def pay_by_auto_charge(
    ctx: Context,
    account_id: int,
    amount: int,
    request_key: str,
    *,
    seen_open: Collection[int] | None = None,
) -> Payment:
    """Add funds through the chain of T6 and T7. Such payments do not count towards limits.

    Raises `Invalid` for the amount, or `Conflict` if no method with auto-charge on is chargeable
    or a payment is open that is not in `seen_open` (see `require_seen`).
    """
    if Payment.by_request_key(ctx.session, account_id, request_key) is None:
        for method_id in [m.id for m in payment_methods.listed(ctx.session, account_id)]:
            conclude_challenge_with(ctx, account_id, method_id)
    account = Account.locked(ctx.session, account_id)
    ctx = ctx.later()
    if (known := Payment.by_request_key(ctx.session, account_id, request_key)) is not None:
        return same_payment(ctx, known, PaymentKind.AUTO_CHARGE, amount)
    check_amount(ctx, account, amount)
    require_seen(ctx, account, seen_open)
    if not _chain(ctx, account, frozenset()):
        raise Conflict(f"{NO_METHOD}.", code="no_method_with_auto_charge")
    payment = new_payment(ctx, account, PaymentKind.AUTO_CHARGE, amount, request_key)
    ctx.session.add(payment)
    ctx.session.flush()
    audit_request(ctx, payment)
    payment_id = payment.id
    ctx.session.commit()
    continue_auto_charge(ctx, payment_id)
    return ctx.session.get_one(Payment, payment_id, populate_existing=True)


def continue_auto_charge(
    ctx: Context, payment_id: int, should_continue: ShouldContinue = always
) -> None:
    """Continue an open auto-charge payment; safe to run concurrently and after a crash."""
    while should_continue():
        attempt_id = _next_in_chain(ctx.later(), payment_id)
        if attempt_id is None:
            return
        charge(ctx, attempt_id)


def _next_in_chain(ctx: Context, payment_id: int) -> int | None:
    account_id = ctx.session.get_one(Payment, payment_id).account_id
    account = Account.locked(ctx.session, account_id)
    payment = ctx.session.get_one(Payment, payment_id, populate_existing=True)
    if payment.state != PaymentState.OPEN or payment.has_open_attempt:
        ctx.session.rollback()
        return None
    methods = _chain(ctx, account, payment.tried_method_ids)
    # `abs`, because a clock that was set back must not revive an old chain.
    if not methods or abs(ctx.now - payment.created_at) > CHAIN_LIFE:
        all_failed = bool(payment.attempts) and not _chargeable(
            ctx, account, payment.tried_method_ids
        )
        _end_chain(ctx, account, payment, all_failed=all_failed)
        ctx.session.commit()
        return None
    attempt = Attempt.start(payment, methods[0], ctx.now)
    ctx.session.add(attempt)
    ctx.session.flush()
    attempt_id = attempt.id
    ctx.session.commit()
    return attempt_id


def _end_chain(ctx: Context, account: Account, payment: Payment, *, all_failed: bool) -> None:
    if not all_failed:
        events.record(ctx, account.id, ChainEnded(payment.amount, payment.id))
    fail_payment(ctx, account, payment, all_failed=all_failed)
    check_balance(ctx, account, "payment failed")


def _chain(ctx: Context, account: Account, tried: frozenset[int]) -> list[PaymentMethod]:
    """The methods to charge next, in order, without those that have an open payment."""
    return [
        method
        for method in _chargeable(ctx, account, tried)
        if queries.open_attempt_with(ctx.session, method.id) is None
    ]


def _chargeable(ctx: Context, account: Account, tried: frozenset[int]) -> tuple[PaymentMethod, ...]:
    """The chargeable methods, in order (T6); none if the primary's auto-charge is off (T5)."""
    inputs = top_ups.gather(ctx, account, tried=tried)
    if not inputs.methods or not inputs.methods[0].auto_charge:
        return ()
    return top_ups.chargeable(inputs)
