"""The mails of failure (F11): one for each method taken out of use, one when all have failed.

Called inside the transaction in which a payment's chain comes to rest, for only then is it known
what was charged instead.
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


def enqueue_suspension_mails(
    session: Session, account: Account, payment: Payment, now: datetime
) -> None:
    """One for each method that this payment took out of use.

    Whom a link was sent is told no second time when the next method has paid after all.
    """
    tongue = account.translator
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
            "method": method.label_in(tongue),
            "amount": account.show(attempt.amount),
            "reason": tongue.gettext(why.sentence),
            "advice": tongue.gettext(why.advice),
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
    """F7: the mail whose link, signed by the mailer, resumes it with the customer present."""
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
        told = {
            "amount": account.show(attempt.amount),
            "method": attempt.method.label_in(account.translator),
        }
        if attempt.state == AttemptState.PAID:
            return _("%(method)s was charged %(amount)s instead.", **told)
        if attempt.state == AttemptState.REFUSED:
            return _("%(amount)s to %(method)s could not be sent yet. We will try again.", **told)
        return _("We are waiting for the bank’s answer on %(amount)s to %(method)s.", **told)
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
    """A chain ends without success. T11, F11: when all have failed one mail says so."""
    payment.settle(PaymentState.FAILED, now)
    payloads.payment(session, account, payment, now)
    enqueue_suspension_mails(session, account, payment, now)
    if not all_failed or account.all_failed_mailed:
        return
    account.all_failed_mailed = True  # armed again by a success
    tongue = account.translator
    facts = {
        "balance": account.show(account.balance),
        "amount": account.show(payment.amount),
        "failures": [
            {
                "method": attempt.method.label_in(tongue) if attempt.method else "",
                "reason": tongue.gettext(reason(attempt.decline_code).sentence),
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
