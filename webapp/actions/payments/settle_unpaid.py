"""Settle an attempt that was not paid (yet): declined, challenged, abandoned or unknown."""

from datetime import datetime

from webapp.actions.payment_methods.sync_method import mark_gone
from webapp.actions.payments.attempts import claim, conclude
from webapp.actions.payments.failure_emails import enqueue_suspension_emails
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodSuspended
from webapp.domain.events.payments import (
    AttemptDeclined,
    AttemptWithoutMethod,
    OutcomeUnknown,
    PaymentAbandoned,
    PaymentFailed,
    RequestRefused,
    RequestRefusedRepeatedly,
)
from webapp.domain.payment_methods.declines import METHOD_GONE, class_of, reason
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import (
    CHALLENGE_LIFE,
    REFUSALS_FOR_OPERATOR,
    TROUBLE_LENGTH,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.top_up import TopUp, TopUpState
from webapp.ports import Declined, MethodGone


def settle_as_declined(ctx: Context, account: Account, attempt: Attempt, answer: Declined) -> bool:
    # A processor's clock may be wrong; the decline lies between the start and now.
    declined_at = max(attempt.started_at, min(answer.at, ctx.now))
    if not conclude(
        ctx,
        attempt,
        AttemptState.DECLINED,
        declined_at=declined_at,
        decline_code=answer.code,
        decline_class=answer.decline_class,
        processor_reference=answer.reference or None,
    ):
        return False
    payment, method = attempt.payment, attempt.method
    if method is None:
        raise ValueError(f"attempt {attempt.id} was declined without a method")
    suspended = method.suspend(
        answer.code,
        answer.decline_class,
        declined_at,
        automatic=attempt.automatic,
        again_at=answer.again_at,
    )
    # F1: a method that is not charged automatically is not shown as suspended.
    attempt.suspended_method = suspended and (method.auto_charge or attempt.automatic)
    if attempt.suspended_method:
        events.record(ctx, account.id, MethodSuspended.about(method))
    consequence = _consequence(account, method, ctx.now)
    why = reason(answer.code).sentence
    event = AttemptDeclined.about(attempt, reason=why, consequence=consequence)
    events.record(ctx, account.id, event)
    _fail_without_fallback(ctx, account, payment)
    return True


def settle_as_method_gone(
    ctx: Context, account: Account, attempt: Attempt, answer: MethodGone
) -> bool:
    """M13: the processor no longer has the method. It is not suspended; the next one is charged."""
    if not conclude(
        ctx,
        attempt,
        AttemptState.DECLINED,
        declined_at=ctx.now,
        decline_code=METHOD_GONE,
        decline_class=class_of(METHOD_GONE),
    ):
        return False
    payment, method = attempt.payment, attempt.method
    if method is None:
        raise ValueError(f"attempt {attempt.id} was made without a method")
    mark_gone(ctx, method, answer)
    events.record(ctx, account.id, AttemptWithoutMethod.about(attempt))
    _fail_without_fallback(ctx, account, payment)
    return True


def _fail_without_fallback(ctx: Context, account: Account, payment: Payment) -> None:
    """Fail a payment that has only one method: an instant payment or a retry."""
    if payment.kind in (PaymentKind.INSTANT, PaymentKind.RETRY):
        payment.settle(PaymentState.FAILED, ctx.now)
        events.record(ctx, account.id, PaymentFailed.about(account, payment))


def record_challenge(ctx: Context, attempt: Attempt) -> bool:
    """The bank challenges the customer, who has 15 minutes to answer (F9)."""
    next_check_at = attempt.started_at + CHALLENGE_LIFE
    return claim(ctx, attempt, AttemptState.CHALLENGED, next_check_at=next_check_at)


def settle_as_abandoned(
    ctx: Context, account: Account, attempt: Attempt, what: str, trouble: str = ""
) -> bool:
    """F9: no money was taken and nothing was declined, so the method is not suspended."""
    short = trouble[:TROUBLE_LENGTH] or None
    if not conclude(ctx, attempt, AttemptState.ABANDONED, trouble=short):
        return False
    payment = attempt.payment
    payment.settle(PaymentState.ABANDONED, ctx.now)
    if payment.top_up_id is not None:
        ctx.session.get_one(TopUp, payment.top_up_id).close(TopUpState.DROPPED, ctx.now)
    event = PaymentAbandoned.about(
        account,
        payment,
        method=attempt.method_label,
        outcome=what,
        attempt_id=attempt.id,
        top_up_id=payment.top_up_id,
    )
    events.record(ctx, account.id, event)
    return True


def record_unknown(ctx: Context, account: Account, attempt: Attempt, trouble: str) -> bool:
    """L10: an inconclusive answer. The attempt stays open, and reconciliation keeps querying."""
    # While a challenge is open the customer can still answer it.
    is_challenged = attempt.state == AttemptState.CHALLENGED
    state = AttemptState.CHALLENGED if is_challenged else AttemptState.UNKNOWN
    is_new = attempt.state != state
    # The request was accepted, so an escalation because of repeated refusals ends.
    needs_operator = attempt.needs_operator and not attempt.refusals
    if not claim(
        ctx,
        attempt,
        state,
        trouble=trouble[:TROUBLE_LENGTH],
        refusals=0,
        needs_operator=needs_operator,
    ):
        return False
    if is_new and attempt.method is not None:
        events.record(ctx, account.id, OutcomeUnknown.about(attempt))
    enqueue_suspension_emails(ctx, account, attempt.payment)
    return True


def record_rejection(ctx: Context, account: Account, attempt: Attempt, trouble: str) -> bool:
    """L8: the processor has not run the request. It is repeated under its key; repeated refusals
    are shown to the operator.
    """
    refusals = attempt.refusals + 1
    is_repeated = refusals >= REFUSALS_FOR_OPERATOR
    why = f"Refused {refusals} times: {trouble}" if is_repeated else trouble
    if not claim(
        ctx,
        attempt,
        AttemptState.REFUSED,
        trouble=why[:TROUBLE_LENGTH],
        refusals=refusals,
        needs_operator=is_repeated,
    ):
        return False
    if refusals == 1:
        events.record(ctx, account.id, RequestRefused.about(attempt))
    elif refusals == REFUSALS_FOR_OPERATOR:
        event = RequestRefusedRepeatedly.about(attempt, refusals=refusals)
        events.record(ctx, account.id, event)
    enqueue_suspension_emails(ctx, account, attempt.payment)
    return True


def _consequence(account: Account, method: PaymentMethod, now: datetime) -> str:
    if not method.auto_charge:
        return ""
    if method.is_blocked or method.needs_manual_retry:
        return " It is out of use until you retry or replace it."
    suspended_until = method.suspension(now)
    if suspended_until is None:
        return " Its 48 hours have already passed."
    return f" It is suspended until {datetimes.when(suspended_until, account.time_zone, now)}."
