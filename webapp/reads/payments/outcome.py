"""The outcome of a payment, as a message for the person who caused it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import METHOD_GONE, reason
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentKind, PaymentState
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.reads.payment_methods.method_rows import RowMessage


@dataclass(frozen=True)
class Outcome:
    """The outcome of a payment that was just requested."""

    state: PaymentState
    payment_id: int
    reference: str
    amount: str
    """ "$250.00"."""
    method_id: int | None
    sentence: str
    """ "$250.00 paid with American Express •••• 0005. Your balance is $313.40."."""
    rows: Mapping[int, RowMessage] = field(hash=False)
    """Messages by method id: "$250.00 paid. This method is back in use."."""

    @property
    def is_paid(self) -> bool:
        return self.state == PaymentState.PAID

    @property
    def tone(self) -> str:
        """Tone of the `Message`; an open payment is "waiting"."""
        return {PaymentState.PAID: "ok", PaymentState.OPEN: "waiting"}.get(self.state, "bad")

    @property
    def offers_funds(self) -> bool:
        """Offer Add Funds after every method was declined."""
        return self.state == PaymentState.FAILED


def read_refill_outcome(ctx: Context, top_up_id: int) -> Outcome | None:
    """Return the outcome of a refill; None if it made no payment."""
    payment = ctx.session.scalar(select(Payment).where(Payment.top_up_id == top_up_id))
    return read_outcome(ctx, payment.id) if payment is not None else None


def read_outcome(ctx: Context, payment_id: int) -> Outcome:
    payment = ctx.session.get_one(Payment, payment_id, populate_existing=True)
    if payment.is_automatic:
        return _of_refill(ctx, payment)
    account = ctx.session.get_one(Account, payment.account_id)
    last = payment.attempts[-1] if payment.attempts else None
    method = last.method if last else None
    label = method.label if method else "No method"
    amount = account.show(payment.amount)
    if payment.state == PaymentState.PAID:
        sentence = f"{amount} paid with {label}. Your balance is {account.show(account.balance)}."
    elif payment.state == PaymentState.ABANDONED:
        sentence = _given_up(last, amount, label)
    elif payment.state == PaymentState.FAILED:
        sentence = _declined(last, label, account, ctx.now)
    else:
        sentence = (
            f"The bank has not confirmed {amount} to {label} yet. "
            "You don’t need to do anything: we keep checking, and nothing is charged twice."
        )
    row = f"{amount} paid."
    if payment.kind == PaymentKind.RETRY and method is not None and method.auto_charge:
        row += " This method is back in use."
    return Outcome(
        state=PaymentState(payment.state),
        payment_id=payment.id,
        reference=payment.reference,
        amount=amount,
        method_id=method.id if method else None,
        sentence=sentence,
        # The row's status and the page's message already show a decline.
        rows={method.id: RowMessage(row, "ok")}
        if method is not None and payment.state == PaymentState.PAID
        else {},
    )


def _of_refill(ctx: Context, payment: Payment) -> Outcome:
    """Return the outcome of a refill: which methods were declined and which one paid."""
    account = ctx.session.get_one(Account, payment.account_id, populate_existing=True)
    amount = account.show(payment.amount)
    declined = [one for one in payment.attempts if one.state == AttemptState.DECLINED]
    rows = {
        one.method_id: RowMessage(f"{amount} was declined: {_reason(one)}.", "bad")
        for one in declined
        if one.method_id is not None
    }
    last = payment.attempts[-1] if payment.attempts else None
    label = last.method.label if last is not None and last.method is not None else "No method"
    if payment.state == PaymentState.PAID:
        sentence = f"{amount} paid with {label}. Your balance is {account.show(account.balance)}."
        if declined:
            sentence = f"{_declines(declined)}. {sentence}"
        if last is not None and last.method_id is not None:
            now_used = last.method is not None and last.method.position > 1
            row = f"{amount} paid." + (" Refills now use this method." if now_used else "")
            rows[last.method_id] = RowMessage(row, "ok")
    elif payment.state == PaymentState.OPEN:
        sentence = f"{amount} to {label} is pending."
    else:
        sentence = f"{amount} was not charged. {_declines(declined)}."
    return Outcome(
        state=PaymentState(payment.state),
        payment_id=payment.id,
        reference=payment.reference,
        amount=amount,
        method_id=last.method_id if last is not None else None,
        sentence=sentence,
        rows=rows,
    )


def _declines(declined: Sequence[Attempt]) -> str:
    """ "Visa •••• 4242 was declined: insufficient funds"; "Visa •••• 4242 and … were declined"."""
    names = [one.method.label for one in declined if one.method is not None]
    if len(names) == 1:
        return f"{names[0]} was declined: {_reason(declined[0])}"
    return f"{', '.join(names[:-1])} and {names[-1]} were declined" if names else "Nothing was paid"


def _reason(attempt: Attempt) -> str:
    """Return the decline reason for use within a sentence: "insufficient funds"."""
    words = reason(attempt.decline_code).sentence
    return f"{words[0].lower()}{words[1:]}"


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
    if (
        method is not None
        and method.auto_charge
        and (method.is_blocked or method.needs_manual_retry)
    ):
        until = " It is out of use until you retry or replace it."
    elif method is not None and (suspended_until := method.suspension(now)) is not None:
        moment = datetimes.when(suspended_until, account.time_zone, now)
        until = f" It is suspended from automatic refills until {moment}."
    return f"{label} was declined: {why.sentence}. Nothing was charged.{until}"
