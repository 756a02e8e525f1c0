"""Payments as a list, and what became of one that was just asked for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain import moments
from webapp.domain.accounts import Account
from webapp.domain.declines import reason
from webapp.domain.payments import (
    OPEN_STATES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.reads.failed_payments import asked_by, covering_method

PAGE = 50


@dataclass(frozen=True)
class Outcome:
    """What became of a payment that a person has just asked for."""

    state: PaymentState
    method_id: int | None
    sentence: str
    """For the page: "$250.00 paid with American Express •••• 0005. Your balance is $313.40."."""
    row: str
    """Under the method's row: "$250.00 paid. This method is back in use."."""


@dataclass(frozen=True)
class PaymentRow:
    """One attempt, or an adjustment: a line of the list."""

    attempt_id: int
    when: str
    reference: str
    """ "P-000012"; a payment's attempts share it."""
    kind: str
    """ "Automatic refill", "Add funds by Ana Ruiz"…"""
    method: str
    brand: str
    amount: str
    state: str
    """ "Paid", "Declined" or "Waiting for the bank"."""
    tone: str
    """ "ok", "bad" or "warn"."""
    reason: str
    """Of a decline, in plain words."""
    paid_by: str
    """ "Paid by Mastercard •••• 4444": how a decline was covered."""
    can_retry: bool


@dataclass(frozen=True)
class PaymentsScreen:
    rows: tuple[PaymentRow, ...]
    older: int | None
    """`before` of the next page; None at the end."""
    newer: bool
    """This is not the first page."""


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
        if payment.kind == PaymentKind.RETRY
        else f"{amount} paid.",
    )


def _given_up(last: Attempt | None, amount: str, label: str) -> str:
    if last is not None and last.trouble:
        return f"{amount} to {label} could not be sent. Nothing was charged; try again in a moment."
    return f"{amount} to {label} was not confirmed with the bank. Nothing was charged."


def _declined(last: Attempt | None, label: str, account: Account, now: datetime) -> str:
    why = reason(last.decline_code if last else None)
    method = last.method if last else None
    until = ""
    if method is not None and (method.is_barred or method.is_rested):
        until = " It is out of use until you retry or replace it."
    elif method is not None and method.suspended_until is not None and method.is_suspended(now):
        moment = moments.when(method.suspended_until, account.time_zone, now)
        until = f" It is suspended from automatic payments until {moment}."
    return f"{label} was declined: {why.sentence}. Nothing was charged.{until}"


def read_payments(
    session: Session, account_id: int, now: datetime, *, before: int | None = None
) -> PaymentsScreen:
    """The newest first; `before` is the id that the page before this one ended with."""
    account = session.get_one(Account, account_id)
    query = select(Attempt).where(Attempt.account_id == account_id)
    if before is not None:
        query = query.where(Attempt.id < before)
    found = session.scalars(query.order_by(Attempt.id.desc()).limit(PAGE + 1)).all()
    shown = found[:PAGE]
    return PaymentsScreen(
        rows=tuple(_row(session, account, attempt, now) for attempt in shown),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def _row(session: Session, account: Account, attempt: Attempt, now: datetime) -> PaymentRow:
    method = attempt.method
    state, tone = _state(attempt)
    failed = attempt.state == AttemptState.DECLINED
    covered = covering_method(session, attempt) if failed else ""
    return PaymentRow(
        attempt_id=attempt.id,
        when=moments.since(attempt.started_at, account.time_zone, now),
        reference=attempt.payment.reference,
        kind=asked_by(session, attempt.payment),
        method=method.label if method else attempt.payment.note,
        brand=method.chip if method else "",
        amount=account.show(attempt.amount),
        state=state,
        tone=tone,
        reason=reason(attempt.decline_code).sentence if failed else "",
        paid_by=f"Paid by {covered}" if covered else "",
        can_retry=failed and not covered and method is not None and method.removed_at is None,
    )


def _state(attempt: Attempt) -> tuple[str, str]:
    if attempt.state in OPEN_STATES:
        return "Waiting for the bank", "warn"
    if attempt.state == AttemptState.ABANDONED:
        return "Abandoned", "off"
    return ("Paid", "ok") if attempt.state == AttemptState.PAID else ("Declined", "bad")
