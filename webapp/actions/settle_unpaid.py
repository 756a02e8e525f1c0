"""An attempt was not paid, or not yet: declined, given up, asked about, or unknown."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.attempts import claim, note_about
from webapp.actions.failure_mails import owe_suspension_mails
from webapp.domain import moments, news
from webapp.domain.accounts import Account
from webapp.domain.attempts import CHALLENGE_LIFE, TROUBLE_LENGTH, Attempt, AttemptState
from webapp.domain.decisions import Code
from webapp.domain.declines import reason
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.payments import PaymentKind, PaymentState
from webapp.domain.top_ups import TopUp, TopUpState
from webapp.domain.webhooks import EventKind
from webapp.ports import Declined


def declined(
    session: Session, account: Account, attempt: Attempt, answer: Declined, now: datetime
) -> bool:
    # A processor's clock may be wrong; the decline came after the start and before now.
    declined_at = max(attempt.started_at, min(answer.at, now))
    if not claim(
        session,
        attempt,
        AttemptState.DECLINED,
        answered_at=now,
        declined_at=declined_at,
        decline_code=answer.code,
        decline_class=answer.decline_class,
        processor_reference=answer.reference or None,
        trouble=None,
        needs_operator=False,
        next_check_at=None,
    ):
        return False
    payment, method = attempt.payment, attempt.method
    if method is None:
        raise ValueError(f"attempt {attempt.id} was declined without a method")
    attempt.suspended_method = method.suspend(
        answer.code,
        answer.decline_class,
        declined_at,
        automatic=attempt.automatic,
        again_at=answer.again_at,
    )
    if attempt.suspended_method:
        news.method(session, account, EventKind.METHOD_SUSPENDED, method, now)
    line = (
        f"{account.show(attempt.amount)} to {method.label} was declined: "
        f"{reason(answer.code).sentence}. {_standing(account, method, now)}"
    )
    note_about(session, attempt, Code.DECLINED, line, now)
    if payment.kind in (PaymentKind.INSTANT, PaymentKind.RETRY):
        payment.settle(PaymentState.FAILED, now)
        news.payment(session, account, payment, now)
    return True


def challenged(session: Session, attempt: Attempt) -> bool:
    """The bank is asking the customer, who has a quarter of an hour to answer (F9)."""
    next_check_at = attempt.started_at + CHALLENGE_LIFE
    return claim(session, attempt, AttemptState.CHALLENGED, next_check_at=next_check_at)


def abandoned(
    session: Session,
    account: Account,
    attempt: Attempt,
    now: datetime,
    what: str,
    trouble: str = "",
) -> bool:
    """F9: no money was taken and none was declined, so there is no suspension."""
    if not claim(
        session,
        attempt,
        AttemptState.ABANDONED,
        answered_at=now,
        trouble=trouble[:TROUBLE_LENGTH] or None,
        needs_operator=False,
        next_check_at=None,
    ):
        return False
    payment = attempt.payment
    payment.settle(PaymentState.ABANDONED, now)
    news.payment(session, account, payment, now)
    if payment.top_up_id is not None:
        session.get_one(TopUp, payment.top_up_id).close(TopUpState.DROPPED, now)
    label = attempt.method.label if attempt.method else "the method"
    line = f"{account.show(attempt.amount)} to {label} {what}. Nothing was charged."
    note_about(session, attempt, Code.ABANDONED, line, now)
    return True


def still_open(
    session: Session,
    account: Account,
    attempt: Attempt,
    state: AttemptState,
    trouble: str,
    now: datetime,
) -> bool:
    """Nothing conclusive: the attempt stays open, and reconciliation goes on asking (L8, L10)."""
    if attempt.state == AttemptState.CHALLENGED:
        state = AttemptState.CHALLENGED  # the customer is still being asked
    news = attempt.state != state
    if not claim(session, attempt, state, trouble=trouble[:TROUBLE_LENGTH]):
        return False
    if news and attempt.method is not None:
        line = (
            f"The outcome of {account.show(attempt.amount)} to {attempt.method.label} is not known "
            "yet. Nothing else is charged until the bank answers."
        )
        note_about(session, attempt, Code.WAITING, line, now)
    owe_suspension_mails(session, account, attempt.payment, now)
    return True


def _standing(account: Account, method: PaymentMethod, now: datetime) -> str:
    if method.is_barred or method.is_rested:
        return "It is out of use until you retry or replace it."
    if method.suspended_until is None or not method.is_suspended(now):
        return "Its 48 hours have already passed."
    until = moments.when(method.suspended_until, account.time_zone, now)
    return f"It is suspended until {until}."
