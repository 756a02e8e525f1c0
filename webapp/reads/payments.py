"""What became of a payment that was just asked for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import moments
from webapp.domain.accounts import Account
from webapp.domain.attempts import Attempt
from webapp.domain.declines import METHOD_GONE, reason
from webapp.domain.payments import Payment, PaymentKind, PaymentState


@dataclass(frozen=True)
class Outcome:
    """What became of a payment that a person has just asked for."""

    state: PaymentState
    method_id: int | None
    sentence: str
    """For the page: "$250.00 paid with American Express •••• 0005. Your balance is $313.40."."""
    row: str
    """Under the method's row: "$250.00 paid. This method is back in use."."""


def read_outcome(session: Session, payment_id: int, now: datetime) -> Outcome:
    payment = session.get_one(Payment, payment_id)
    account = session.get_one(Account, payment.account_id)
    last = payment.attempts[-1] if payment.attempts else None
    method = last.method if last else None
    label = method.label if method else "No method"
    amount = account.show(payment.amount)
    if payment.state == PaymentState.PAID:
        sentence = f"{amount} paid with {label}. Your balance is {account.show(account.balance)}."
    elif payment.state == PaymentState.ABANDONED:
        sentence = _given_up(last, amount, label)
    elif payment.state == PaymentState.FAILED:
        sentence = _declined(last, label, account, now)
    else:
        sentence = (
            f"The bank has not answered yet about {amount} to {label}. "
            "You need not do anything: we keep asking, and nothing is charged twice."
        )
    return Outcome(
        state=PaymentState(payment.state),
        method_id=method.id if method else None,
        sentence=sentence,
        row=f"{amount} paid. This method is back in use."
        if payment.kind == PaymentKind.RETRY and method is not None and method.auto_charge
        else f"{amount} paid.",
    )


def _given_up(last: Attempt | None, amount: str, label: str) -> str:
    if last is not None and last.trouble:
        return f"{amount} to {label} could not be sent. Nothing was charged; try again in a moment."
    return f"{amount} to {label} was not confirmed with the bank. Nothing was charged."


def _declined(last: Attempt | None, label: str, account: Account, now: datetime) -> str:
    why = reason(last.decline_code if last else None)
    method = last.method if last else None
    if last is not None and last.decline_code == METHOD_GONE:
        return f"The processor no longer has {label}. Nothing was charged. {why.advice}"
    until = ""
    if method is not None and method.auto_charge and (method.is_barred or method.is_rested):
        until = " It is out of use until you retry or replace it."
    elif method is not None and (suspended_until := method.suspension(now)) is not None:
        moment = moments.when(suspended_until, account.time_zone, now)
        until = f" It is suspended from automatic payments until {moment}."
    return f"{label} was declined: {why.sentence}. Nothing was charged.{until}"
