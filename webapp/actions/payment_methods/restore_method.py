"""Restore a suspended method without a payment, by verifying it with the bank (F4)."""

import logging
from secrets import token_hex

from webapp.actions.payment_methods.sync_method import mark_gone
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodRestored
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Refusal
from webapp.ports import Declined, MethodGone, RequestRejected, Verified

log = logging.getLogger(__name__)

NEEDS_PAYMENT = (MethodStatus.BARRED, MethodStatus.RESTED)


def restore_method(
    ctx: Context, account_id: int, method_id: int, *, confirmed: int | None = None
) -> PaymentMethod:
    """Verify the method for a zero amount and end its suspension.

    Raises `NotFound`, `Refusal` if the bank does not confirm the method, or `ChargeUnconfirmed`
    like `check_balance`.
    """
    started_at = ctx.clock.now()
    method = payment_methods.find(ctx.session, account_id, method_id)
    if method.is_blocked or method.needs_manual_retry:
        # F3, T16: only the customer's own payment restores such a method.
        sentence = f"To use {method.label} again, make a payment with it or replace it."
        raise Refusal(sentence, code="needs_payment")
    processor, reference, label = (
        ctx.processors[method.processor],
        method.processor_reference,
        method.label,
    )
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.verify(f"verify-{token_hex(16)}", reference)
    if isinstance(answer, Declined):
        why = reason(answer.code)
        sentence = f"{label} was not restored. {why.sentence}. {why.advice}"
        raise Refusal(sentence, code="not_restored")
    if isinstance(answer, MethodGone):
        account = Account.locked(ctx.session, account_id)
        method = payment_methods.find(ctx.session, account_id, method_id)
        if mark_gone(ctx.later(), method, answer):
            check_balance(ctx.later(), account, "method gone", routine=True)
        ctx.session.commit()
        sentence = f"The processor no longer has {label}. Add it again to use it."
        raise Refusal(sentence, code="method_gone")
    if isinstance(answer, RequestRejected):
        log.warning("verifying method %s was refused: %s", method_id, answer.reason)
        sentence = f"The processor refused the request. {label} is unchanged. Try again later."
        raise Refusal(sentence, code="refused")
    if not isinstance(answer, Verified):
        sentence = f"The bank did not answer. {label} is unchanged. Try again in a moment."
        raise Refusal(sentence, code="no_answer")
    ctx = ctx.later()
    account = Account.locked(ctx.session, account_id)
    method = payment_methods.find(ctx.session, account_id, method_id)
    confirmed = confirmed_or_due(ctx, account, confirmed)
    method.correct_clock(started_at, ctx.now)
    needs_payment = method.is_blocked or method.needs_manual_retry
    restored = not needs_payment and method.lift_suspension(started_at)
    if not restored and method.obstacle(ctx.now) in (*NEEDS_PAYMENT, MethodStatus.SUSPENDED):
        ctx.session.rollback()
        sentence = f"A payment with {label} has just failed, so it is still suspended."
        raise Refusal(sentence, code="failed_meanwhile")
    if restored:
        events.record(ctx, account_id, MethodRestored.about(method))
        check_balance(ctx, account, "method restored", confirmed=confirmed)
    ctx.session.commit()
    return method
