"""The bank asks the customer who is paying: where, how it ended, and giving it up (F4, F9)."""

from sqlalchemy.orm import Session

from webapp.actions.payments.query_processor import ask, cancel
from webapp.actions.payments.settle import settle
from webapp.clock import Clock
from webapp.domain.accounts.account import Account
from webapp.domain.payments import queries
from webapp.domain.payments.payment import (
    AttemptState,
    Payment,
    PaymentState,
)
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.policy import Policy
from webapp.ports import NeedsCustomer, NotKnown, Processors


def challenge_address(session: Session, payment: Payment, processors: Processors) -> str:
    """Where the bank asks about this payment; empty if it does not.

    Asked anew each time: a form that was sent twice leads to the same challenge.
    """
    last = payment.attempts[-1] if payment.attempts else None
    if last is None or last.state != AttemptState.CHALLENGED:
        return ""
    processor, key = processors[last.processor], last.key
    session.rollback()  # no transaction is open during the call
    answer = processor.ask(key)
    return answer.address if isinstance(answer, NeedsCustomer) else ""


def conclude_challenge(
    session: Session,
    account_id: int,
    attempt_id: int,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    *,
    give_up: bool = False,
) -> Payment:
    """The customer is back from the bank, or gives up: settle how it ended.

    Giving up cancels it at the processor, where it may have been answered just before; then that
    counts. Raises `NotFound`.
    """
    attempt = queries.find_attempt(session, account_id, attempt_id)
    payment_id, key = attempt.payment_id, attempt.key
    if attempt.state == AttemptState.CHALLENGED:
        processor = processors[attempt.processor]
        session.rollback()  # no transaction is open during the call
        answer = cancel(processor, key) if give_up else ask(processor, key)
        if not isinstance(answer, NotKnown):
            settle(session, attempt_id, answer, clock.now(), policy)
    return session.get_one(Payment, payment_id, populate_existing=True)


def conclude_challenge_with(
    session: Session,
    account_id: int,
    method_id: int,
    processors: Processors,
    clock: Clock,
    policy: Policy,
) -> None:
    """F9: a challenge that was walked away from blocks neither another payment nor removal.

    Raises `Conflict` if it had been confirmed after all: then that payment has just succeeded.
    """
    attempt = queries.open_attempt_with(session, method_id)
    if attempt is None or attempt.state != AttemptState.CHALLENGED:
        return
    payment = conclude_challenge(
        session, account_id, attempt.id, processors, clock, policy, give_up=True
    )
    if payment.state == PaymentState.PAID:
        amount = session.get_one(Account, account_id).show(payment.amount)
        raise Conflict(
            f"Your payment of {amount} has just succeeded. Nothing more was done.",
            code="just_paid",
        )
