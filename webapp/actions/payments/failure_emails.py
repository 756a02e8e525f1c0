"""Queue failure emails (F11): one per suspended method, one when all methods have failed.

Called in the transaction that ends a payment's fallback chain, because only then is it known what
was charged instead.
"""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from webapp.actions.top_ups.blocked_email import mark_mailed
from webapp.actions.top_ups.check_balance import what_next
from webapp.domain.accounts.account import Account
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import (
    AUTHENTICATION_REQUIRED,
    RESUMABLE,
    Attempt,
    AttemptState,
    Payment,
    PaymentState,
)
from webapp.domain.shared.policy import Policy
from webapp.domain.webhooks import payloads

NOT_CHARGED = (AttemptState.DECLINED, AttemptState.ABANDONED)


def enqueue_suspension_emails(
    session: Session, account: Account, payment: Payment, now: datetime
) -> None:
    """Queue one email for each method that this payment suspended.

    If an authentication link was already emailed, no suspension email follows.
    """
    translator = account.translator
    session.flush()
    ended = session.scalars(_SUSPENDING, {"payment_id": payment.id}).all()
    if ended:
        session.refresh(payment, ["attempts"])
    for attempt in ended:
        method = attempt.method
        if method is None:
            continue
        why = reason(attempt.decline_code)
        lifts = (
            not (method.is_blocked or method.needs_manual_retry)
            and method.suspended_until is not None
        )
        until = method.suspended_until if lifts else None
        about = f"attempt {attempt.id}"
        if _wants_customer(attempt) and payment.state != PaymentState.PAID:
            _enqueue_link(session, account, attempt, method, now)
            continue
        if outbox.is_owed(session, account.id, NoticeKind.AUTHENTICATION_REQUIRED, about):
            continue
        facts = {
            "method": method.label_in(translator),
            "amount": account.show(attempt.amount),
            "reason": translator.gettext(why.sentence),
            "advice": translator.gettext(why.advice),
            "at": account.mailed(attempt.declined_at or now, now),
            "until": account.mailed(until, now) if until else "",
            "instead": _instead(account, payment),
        }
        kind = NoticeKind.METHOD_SUSPENDED
        outbox.enqueue(session, account, kind, about, facts, now, attempt_id=attempt.id)


def _wants_customer(attempt: Attempt) -> bool:
    return attempt.automatic and attempt.decline_code == AUTHENTICATION_REQUIRED


def _enqueue_link(
    session: Session, account: Account, attempt: Attempt, method: PaymentMethod, now: datetime
) -> None:
    """F7: queue the email with a signed link that resumes the payment with the customer present."""
    declined_at = attempt.declined_at or now
    facts = {
        "method": method.label_in(account.translator),
        "amount": account.show(attempt.amount),
        "at": account.mailed(declined_at, now),
        "until": account.mailed(declined_at + RESUMABLE, now),
        "instead": _instead(account, attempt.payment),
        "attempt_id": attempt.id,
    }
    about = f"attempt {attempt.id}"
    kind = NoticeKind.AUTHENTICATION_REQUIRED
    outbox.enqueue(session, account, kind, about, facts, now, attempt_id=attempt.id)


def _instead(account: Account, payment: Payment) -> str:
    _ = account.translator.gettext
    for attempt in payment.attempts:
        if attempt.method is None or attempt.state in NOT_CHARGED:
            continue
        values = {
            "amount": account.show(attempt.amount),
            "method": attempt.method.label_in(account.translator),
        }
        if attempt.state == AttemptState.PAID:
            return _("%(method)s was charged %(amount)s instead.", **values)
        if attempt.state == AttemptState.REFUSED:
            return _("%(amount)s to %(method)s could not be sent yet. We will try again.", **values)
        return _("We are waiting for the bank’s answer on %(amount)s to %(method)s.", **values)
    return _("Nothing was charged instead.")


def fail_payment(
    session: Session,
    account: Account,
    payment: Payment,
    now: datetime,
    policy: Policy,
    *,
    all_failed: bool,
) -> None:
    """End a chain without success. T11, F11: one email is queued when all methods have failed."""
    payment.settle(PaymentState.FAILED, now)
    payloads.payment(session, account, payment, now)
    enqueue_suspension_emails(session, account, payment, now)
    if not all_failed or account.all_failed_mailed:
        return
    account.all_failed_mailed = True  # reset by the next success
    translator = account.translator
    facts = {
        "balance": account.show(account.balance),
        "amount": account.show(payment.amount),
        "failures": [
            {
                "method": attempt.method.label_in(translator) if attempt.method else "",
                "reason": translator.gettext(reason(attempt.decline_code).sentence),
            }
            for attempt in payment.attempts
        ],
        "what_next": what_next(session, account, now, policy),
    }
    outbox.enqueue(session, account, NoticeKind.ALL_FAILED, f"payment {payment.id}", facts, now)
    mark_mailed(session, account, now)


_SUSPENDING = (
    select(Attempt)
    .where(Attempt.payment_id == bindparam("payment_id"), Attempt.suspended_method)
    .order_by(Attempt.id)
)
