"""3-D Secure challenges of payments: their address, outcome and cancellation (F4, F9)."""

from webapp.actions.payments.query_processor import ask, cancel
from webapp.actions.payments.settle import settle
from webapp.domain.accounts.account import Account
from webapp.domain.payments import queries
from webapp.domain.payments.payment import AttemptState, Payment, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict
from webapp.ports import NeedsCustomer, NotKnown


def challenge_address(ctx: Context, payment: Payment) -> str:
    """The URL of the payment's open challenge, or an empty string.

    The processor is queried each time, so a form submitted twice leads to the same challenge.
    """
    last = payment.attempts[-1] if payment.attempts else None
    if last is None or last.state != AttemptState.CHALLENGED:
        return ""
    processor, key = ctx.processors[last.processor], last.key
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.ask(key)
    return answer.address if isinstance(answer, NeedsCustomer) else ""


def conclude_challenge(
    ctx: Context, account_id: int, attempt_id: int, *, give_up: bool = False
) -> Payment:
    """Settle the challenge after the customer has returned from the bank or given up.

    Giving up cancels the challenge at the processor; if it was answered just before, that answer
    counts. Raises `NotFound`.
    """
    attempt = queries.find_attempt(ctx.session, account_id, attempt_id)
    payment_id, key = attempt.payment_id, attempt.key
    if attempt.state == AttemptState.CHALLENGED:
        processor = ctx.processors[attempt.processor]
        ctx.session.rollback()  # no transaction is open during the call
        answer = cancel(processor, key) if give_up else ask(processor, key)
        if not isinstance(answer, NotKnown):
            settle(ctx.later(), attempt_id, answer)
    return ctx.session.get_one(Payment, payment_id, populate_existing=True)


def conclude_challenge_with(ctx: Context, account_id: int, method_id: int) -> None:
    """F9: cancel a method's abandoned challenge, so it blocks no other payment and no removal.

    Raises `Conflict` if the customer had confirmed it: then that payment has just succeeded.
    """
    attempt = queries.open_attempt_with(ctx.session, method_id)
    if attempt is None or attempt.state != AttemptState.CHALLENGED:
        return
    payment = conclude_challenge(ctx, account_id, attempt.id, give_up=True)
    if payment.state == PaymentState.PAID:
        amount = ctx.session.get_one(Account, account_id).show(payment.amount)
        raise Conflict(
            f"Your payment of {amount} has just succeeded. Nothing more was done.",
            code="just_paid",
        )
