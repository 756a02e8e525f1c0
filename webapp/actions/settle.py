"""The outcome of an attempt takes effect, once (L3).

A processor's answer, a reconciliation and (later) a webhook all end here. The guarded UPDATE lets
the first of them through; the second changes no row.
"""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.actions.failure_mails import owe_suspension_mails
from webapp.actions.look import look
from webapp.domain import decisions, ledger, moments, notices
from webapp.domain.accounts import Account
from webapp.domain.decisions import Code
from webapp.domain.declines import reason
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.notices import NoticeKind
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.payments import (
    KIND_NAMES,
    OPEN_STATES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.policy import Policy
from webapp.domain.top_ups import TopUp, TopUpState
from webapp.ports import (
    Answer,
    DeclineClass,
    Declined,
    NeedsCustomer,
    Paid,
    RefusedToLook,
    Unknown,
)


def settle(
    session: Session, attempt_id: int, answer: Answer, now: datetime, policy: Policy
) -> bool:
    """Let the answer take effect in one transaction. False if another had settled it before."""
    account_id = session.get_one(Attempt, attempt_id).account_id
    account = Account.locked(session, account_id)
    attempt = session.get_one(Attempt, attempt_id, populate_existing=True)
    match answer:
        case Paid() if _matches(attempt, answer):
            done = _paid(session, account, attempt, answer, now)
        case Paid():
            done = _mismatched(session, attempt, answer, now)
        case Declined():
            done = _declined(session, account, attempt, answer, now)
        case NeedsCustomer():
            # Nobody is there to be asked: for an automatic payment that is a decline (F7).
            code = "authentication_required"
            declined = Declined(code, DeclineClass.CUSTOMER, answer.at, answer.reference)
            done = _declined(session, account, attempt, declined, now)
        case Unknown():
            done = _still_open(session, account, attempt, AttemptState.UNKNOWN, answer.reason, now)
        case RefusedToLook():
            done = _still_open(session, account, attempt, AttemptState.REFUSED, answer.reason, now)
    if not done:
        session.rollback()
        return False
    if not attempt.is_open and not _goes_on(attempt.payment):
        look(session, account, "payment settled", now, policy, routine=True)
        owe_suspension_mails(session, account, attempt.payment, now)
    session.commit()
    return True


def _claim(session: Session, attempt: Attempt, state: AttemptState, **values: object) -> bool:
    """Settle by a guarded update: one row, or someone else was first."""
    result = session.connection().execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.state.in_(OPEN_STATES))
        .values(state=state, **values)
    )
    session.refresh(attempt)
    return result.rowcount == 1


def _matches(attempt: Attempt, answer: Paid) -> bool:
    return (answer.amount, answer.currency) == (attempt.amount, attempt.currency)


def _paid(
    session: Session, account: Account, attempt: Attempt, answer: Paid, now: datetime
) -> bool:
    if not _claim(
        session,
        attempt,
        AttemptState.PAID,
        answered_at=now,
        processor_reference=answer.reference,
        trouble=None,
        next_check_at=None,
    ):
        return False
    payment, method = attempt.payment, attempt.method
    label = method.label if method else "operator"
    entry = LedgerEntry(
        kind=EntryKind.PAYMENT,
        amount=attempt.amount,
        description=f"{KIND_NAMES[payment.kind]}, {label}",
        attempt_id=attempt.id,
        occurred_at=answer.at,
        posted_at=now,
    )
    ledger.append(session, account, [entry])
    payment.settle(PaymentState.PAID, now)
    account.all_failed_mailed = False
    if payment.top_up_id is not None:
        session.get_one(TopUp, payment.top_up_id).close(TopUpState.PAID, now)
    amount = account.show(attempt.amount)
    line = f"{amount} paid with {label}. The balance is {account.show(account.balance)}."
    _note(session, attempt, Code.CHARGED, line, now)
    if method is not None and method.heal(attempt.started_at):
        _note(session, attempt, Code.RESTORED, f"{label} is back in use.", now)
    facts = {
        "amount": amount,
        "method": label,
        "reference": payment.reference,
        "balance_after": account.show(account.balance),
        "at": moments.when(now, account.time_zone, now),
        "kind": KIND_NAMES[payment.kind],
    }
    about = f"attempt {attempt.id}"
    notices.owe(session, account, NoticeKind.RECEIPT, about, facts, now, attempt_id=attempt.id)
    return True


def _declined(
    session: Session, account: Account, attempt: Attempt, answer: Declined, now: datetime
) -> bool:
    if not _claim(
        session,
        attempt,
        AttemptState.DECLINED,
        answered_at=now,
        declined_at=answer.at,
        decline_code=answer.code,
        decline_class=answer.decline_class,
        processor_reference=answer.reference or None,
        trouble=None,
        next_check_at=None,
    ):
        return False
    payment, method = attempt.payment, attempt.method
    if method is None:
        raise ValueError(f"attempt {attempt.id} was declined without a method")
    attempt.suspended_method = method.suspend(
        answer.code, answer.decline_class, answer.at, automatic=attempt.automatic
    )
    line = (
        f"{account.show(attempt.amount)} to {method.label} was declined: "
        f"{reason(answer.code).sentence}. {_standing(account, method, now)}"
    )
    _note(session, attempt, Code.DECLINED, line, now)
    if payment.kind in (PaymentKind.INSTANT, PaymentKind.RETRY):
        payment.settle(PaymentState.FAILED, now)
    return True


def _still_open(
    session: Session,
    account: Account,
    attempt: Attempt,
    state: AttemptState,
    trouble: str,
    now: datetime,
) -> bool:
    """Nothing conclusive: the attempt stays open, and reconciliation goes on asking (L8, L10)."""
    news = attempt.state != state
    if not _claim(session, attempt, state, trouble=trouble[:500]):
        return False
    if news and attempt.method is not None:
        line = (
            f"The outcome of {account.show(attempt.amount)} to {attempt.method.label} is not known "
            "yet. Nothing else is charged until the bank answers."
        )
        _note(session, attempt, Code.WAITING, line, now)
    owe_suspension_mails(session, account, attempt.payment, now)
    return True


def _mismatched(session: Session, attempt: Attempt, answer: Paid, now: datetime) -> bool:
    """L9: evidence that does not match credits nothing and goes before the operator."""
    trouble = (
        f"The processor says {answer.amount} {answer.currency} (micros) was paid, "
        f"reference {answer.reference}; we asked for {attempt.amount} {attempt.currency}."
    )
    return _claim(session, attempt, AttemptState.UNKNOWN, trouble=trouble)


def _goes_on(payment: Payment) -> bool:
    """A chain that is still open has a next method to try."""
    return payment.state == PaymentState.OPEN


def _standing(account: Account, method: PaymentMethod, now: datetime) -> str:
    if method.is_barred or method.is_rested:
        return "It is out of use until you retry or replace it."
    if method.suspended_until is None or not method.is_suspended(now):
        return "Its 48 hours have already passed."
    until = moments.when(method.suspended_until, account.time_zone, now)
    return f"It is suspended until {until}."


def _note(session: Session, attempt: Attempt, code: Code, line: str, now: datetime) -> None:
    decisions.note(
        session,
        attempt.account_id,
        code,
        line,
        now,
        attempt_id=attempt.id,
        top_up_id=attempt.payment.top_up_id,
    )
