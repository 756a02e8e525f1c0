"""Queue failure emails (F11): one per suspended method, one when all methods have failed.

Called in the transaction that ends a payment's fallback chain, because only then is it known what
was charged instead.
"""

from sqlalchemy import bindparam, select

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
from webapp.domain.shared.context import Context
from webapp.domain.webhooks import payloads

NOT_CHARGED = (AttemptState.DECLINED, AttemptState.ABANDONED)


def enqueue_suspension_emails(ctx: Context, account: Account, payment: Payment) -> None:
    """Queue one email for each method that this payment suspended.

    If an authentication link was already emailed, no suspension email follows.
    """
    translator = account.translator
    ctx.session.flush()
    ended = ctx.session.scalars(_SUSPENDING, {"payment_id": payment.id}).all()
    if ended:
        ctx.session.refresh(payment, ["attempts"])
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
            _enqueue_link(ctx, account, attempt, method)
            continue
        if outbox.is_owed(ctx.session, account.id, NoticeKind.AUTHENTICATION_REQUIRED, about):
            continue
        facts = {
            "method": method.label_in(translator),
            "amount": account.show(attempt.amount),
            "reason": translator.gettext(why.sentence),
            "advice": translator.gettext(why.advice),
            "at": account.mailed(attempt.declined_at or ctx.now, ctx.now),
            "until": account.mailed(until, ctx.now) if until else "",
            "instead": _instead(account, payment),
        }
        kind = NoticeKind.METHOD_SUSPENDED
        outbox.enqueue(ctx, account, kind, about, facts, attempt_id=attempt.id)


def _wants_customer(attempt: Attempt) -> bool:
    return attempt.automatic and attempt.decline_code == AUTHENTICATION_REQUIRED


def _enqueue_link(ctx: Context, account: Account, attempt: Attempt, method: PaymentMethod) -> None:
    """F7: queue the email with a signed link that resumes the payment with the customer present."""
    declined_at = attempt.declined_at or ctx.now
    facts = {
        "method": method.label_in(account.translator),
        "amount": account.show(attempt.amount),
        "at": account.mailed(declined_at, ctx.now),
        "until": account.mailed(declined_at + RESUMABLE, ctx.now),
        "instead": _instead(account, attempt.payment),
        "attempt_id": attempt.id,
    }
    about = f"attempt {attempt.id}"
    kind = NoticeKind.AUTHENTICATION_REQUIRED
    outbox.enqueue(ctx, account, kind, about, facts, attempt_id=attempt.id)


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


def fail_payment(ctx: Context, account: Account, payment: Payment, *, all_failed: bool) -> None:
    """End a chain without success. T11, F11: one email is queued when all methods have failed."""
    payment.settle(PaymentState.FAILED, ctx.now)
    payloads.payment(ctx, account, payment)
    enqueue_suspension_emails(ctx, account, payment)
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
        "what_next": what_next(ctx, account),
    }
    outbox.enqueue(ctx, account, NoticeKind.ALL_FAILED, f"payment {payment.id}", facts)
    mark_mailed(ctx, account)


_SUSPENDING = (
    select(Attempt)
    .where(Attempt.payment_id == bindparam("payment_id"), Attempt.suspended_method)
    .order_by(Attempt.id)
)
