"""Apply the outcome of an attempt once (L3).

Processor answers, reconciliation, webhook events and operators' decisions all end here. The guarded
UPDATE lets only the first outcome take effect.
"""

import logging
from collections.abc import Callable

from sqlalchemy import bindparam, select

from webapp.actions.payments.failure_emails import enqueue_suspension_emails
from webapp.actions.payments.settle_paid import (
    matches,
    record_mismatch,
    record_payment_after_settlement,
    settle_as_paid,
)
from webapp.actions.payments.settle_unpaid import (
    record_challenge,
    record_rejection,
    record_unknown,
    settle_as_abandoned,
    settle_as_declined,
    settle_as_method_gone,
)
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import AUTHENTICATION_REQUIRED, Attempt, Payment, PaymentState
from webapp.domain.shared.context import Context
from webapp.ports import (
    Answer,
    Cancelled,
    DeclineClass,
    Declined,
    MethodGone,
    NeedsCustomer,
    Paid,
    RequestRejected,
    Unknown,
)

log = logging.getLogger(__name__)

NOT_SENT = "could not be sent"


def settle(
    ctx: Context,
    attempt_id: int,
    answer: Answer,
    *,
    record: Callable[[], None] | None = None,
    confirmed: int | None = None,
) -> bool:
    """Apply the answer in one transaction. Returns False if the attempt was settled before.

    `record` adds writes to the transaction, such as the operator's decision. For `confirmed` see
    `check_balance`.
    """
    account_id = ctx.session.scalars(_ACCOUNT, {"attempt_id": attempt_id}).one()
    account = Account.locked(ctx.session, account_id)
    attempt = ctx.session.get_one(Attempt, attempt_id, populate_existing=True)
    match answer:
        case Paid() if matches(attempt, answer):
            done = settle_as_paid(ctx, account, attempt, answer)
        case Paid():
            done = record_mismatch(ctx, attempt, answer)
        case MethodGone():
            done = settle_as_method_gone(ctx, account, attempt, answer)
        case Declined():
            done = settle_as_declined(ctx, account, attempt, answer)
        case NeedsCustomer() if attempt.customer_present:
            done = record_challenge(ctx, attempt)
        case NeedsCustomer():
            # No customer is present, so for an automatic refill this is a decline (F7).
            code = AUTHENTICATION_REQUIRED
            decline = Declined(code, DeclineClass.CUSTOMER, answer.at, answer.reference)
            done = settle_as_declined(ctx, account, attempt, decline)
        case Cancelled():
            done = settle_as_abandoned(ctx, account, attempt, "was given up")
        case Unknown():
            done = record_unknown(ctx, account, attempt, answer.reason)
        case RequestRejected() if not attempt.automatic:
            # The user is present, sees the error and can try again; no automatic repeat is needed.
            log.warning("attempt %s was refused by its processor: %s", attempt_id, answer.reason)
            done = settle_as_abandoned(ctx, account, attempt, NOT_SENT, answer.reason)
        case RequestRejected():
            # L8: the API key, request or rate limit is at fault; the log shows the reason.
            log.warning("attempt %s was refused by its processor: %s", attempt_id, answer.reason)
            done = record_rejection(ctx, account, attempt, answer.reason)
    if not done:
        record_payment_after_settlement(ctx, account, attempt, answer)
        return False
    if not attempt.is_open and not _has_next_method(attempt.payment):
        check_balance(ctx, account, "payment settled", routine=True, confirmed=confirmed)
        enqueue_suspension_emails(ctx, account, attempt.payment)
    if record is not None:
        record()
    ctx.session.commit()
    return True


def _has_next_method(payment: Payment) -> bool:
    """An open payment continues with the next method of its chain."""
    return payment.state == PaymentState.OPEN


_ACCOUNT = select(Attempt.account_id).where(Attempt.id == bindparam("attempt_id"))
