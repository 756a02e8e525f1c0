"""Queue failure emails (F11): one per suspended method, one when all methods have failed.

Called in the transaction that ends a payment's fallback chain, because only then is it known what
was charged instead.
"""

from sqlalchemy import bindparam, select

from webapp.actions.top_ups.blocked_email import mark_mailed
from webapp.actions.top_ups.check_balance import what_next
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import (
    AllMethodsFailed,
    CustomerNeeded,
    MethodFailed,
    PaymentFailed,
)
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import label_in
from webapp.domain.payments.payment import (
    AUTHENTICATION_REQUIRED,
    RESUMABLE,
    Attempt,
    AttemptState,
    Payment,
    PaymentState,
)
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import LowBalanceSettings

NOT_CHARGED = (AttemptState.DECLINED, AttemptState.ABANDONED)


def enqueue_suspension_emails(ctx: Context, account: Account, payment: Payment) -> None:
    """Queue one email for each method that this payment suspended.

    If an authentication link was already emailed, no suspension email follows.
    """
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
        instead, declined_at = _instead(account, payment), attempt.declined_at or ctx.now
        if _wants_customer(attempt) and payment.state != PaymentState.PAID:
            ends = declined_at + RESUMABLE
            link = CustomerNeeded.about(attempt, at=declined_at, until=ends, instead=instead)
            _record_once(ctx, account, link)
            continue
        if outbox.is_owed(ctx.session, account.id, NoticeKind.AUTHENTICATION_REQUIRED, about):
            continue
        event = MethodFailed.about(
            attempt,
            reason=why.sentence,
            advice=why.advice,
            at=declined_at,
            until=until,
            instead=instead,
        )
        _record_once(ctx, account, event)


def _wants_customer(attempt: Attempt) -> bool:
    return attempt.automatic and attempt.decline_code == AUTHENTICATION_REQUIRED


def _record_once(ctx: Context, account: Account, event: CustomerNeeded | MethodFailed) -> None:
    """Record the event unless its email was enqueued before."""
    kind = event.email_kind
    if kind and not outbox.is_owed(ctx.session, account.id, kind, event.email_key()):
        events.record(ctx, account.id, event)


def _instead(account: Account, payment: Payment) -> str:
    _ = account.translator.gettext
    for attempt in payment.attempts:
        if attempt.method is None or attempt.state in NOT_CHARGED:
            continue
        values = {
            "amount": account.show(attempt.amount),
            "method": label_in(account.translator, attempt.method.label),
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
    events.record(ctx, account.id, PaymentFailed.about(account, payment))
    enqueue_suspension_emails(ctx, account, payment)
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if not all_failed or settings.all_failed_mailed:
        return
    settings.all_failed_mailed = True  # reset by the next success
    failures = [
        (attempt.method.label if attempt.method else "", reason(attempt.decline_code).sentence)
        for attempt in payment.attempts
    ]
    facts = (payment.amount, account.balance, failures, what_next(ctx, account), payment.id)
    events.record(ctx, account.id, AllMethodsFailed(*facts))
    mark_mailed(ctx, account)


_SUSPENDING = (
    select(Attempt)
    .where(Attempt.payment_id == bindparam("payment_id"), Attempt.suspended_method)
    .order_by(Attempt.id)
)
