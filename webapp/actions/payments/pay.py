"""Pay with one chosen method: Instant payment and Retry (L4, F4, F5)."""

from collections.abc import Collection

from webapp.actions.payments.challenges import conclude_challenge_with
from webapp.actions.payments.charge import charge
from webapp.actions.payments.payment_requests import (
    audit_request,
    check_amount,
    new_payment,
    require_seen,
    same_payment,
)
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.top_ups.top_up import why_not_resumable


def pay_now(
    ctx: Context,
    account_id: int,
    method_id: int,
    amount: int,
    request_key: str,
    *,
    return_to: str = "",
    seen_open: Collection[int] | None = None,
) -> Payment:
    """Charge the chosen method, without fallback. A suspended method is allowed (F5).

    If the bank challenges the customer, the payment stays open; see `challenges`.
    Raises `Invalid`, `NotFound`, or `Conflict` while a payment with that method is open, or any
    payment that is not in `seen_open` (see `require_seen`).
    """
    if Payment.by_request_key(ctx.session, account_id, request_key) is None:
        check_amount(ctx, ctx.session.get_one(Account, account_id), amount)
        payment_methods.find(ctx.session, account_id, method_id)
        conclude_challenge_with(ctx, account_id, method_id)
    account = Account.locked(ctx.session, account_id)
    ctx = ctx.later()
    if (known := Payment.by_request_key(ctx.session, account_id, request_key)) is not None:
        return same_payment(ctx, known, PaymentKind.INSTANT, amount, method_id)
    check_amount(ctx, account, amount)
    require_seen(ctx, account, seen_open)
    method = payment_methods.find(ctx.session, account_id, method_id)
    payment = new_payment(ctx, account, PaymentKind.INSTANT, amount, request_key)
    attempt_id = _begin(ctx, payment, method)
    charge(ctx, attempt_id, return_to=return_to)
    return ctx.session.get_one(Payment, payment.id, populate_existing=True)


def retry(
    ctx: Context,
    account_id: int,
    attempt_id: int,
    request_key: str,
    *,
    return_to: str = "",
    by_link: bool = False,
) -> Payment:
    """Charge the failed amount again with the same method, the customer present (F4).

    Raises `NotFound`, or `Conflict` if the payment has been retried successfully, if a payment with
    that method is open, or if the retry comes `by_link` and the email's link has expired (F10).
    """
    if Payment.by_request_key(ctx.session, account_id, request_key) is None:
        method_id = queries.find_attempt(ctx.session, account_id, attempt_id).method_id or 0
        conclude_challenge_with(ctx, account_id, method_id)
    account = Account.locked(ctx.session, account_id)
    ctx = ctx.later()
    failed = queries.find_attempt(ctx.session, account_id, attempt_id)
    if (known := Payment.by_request_key(ctx.session, account_id, request_key)) is not None:
        return same_payment(ctx, known, PaymentKind.RETRY, failed.amount, failed.method_id)
    account.require_not_closed()
    if by_link and (ended := why_not_resumable(ctx, failed)):
        raise Conflict(ended, code="link_ended")
    if failed.state != AttemptState.DECLINED or failed.method is None:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    if failed.method.removed_at is not None:
        raise NotFound("That payment method")
    if queries.paid_retry_of(ctx.session, failed) is not None:
        raise Conflict("This payment has already been retried successfully.", code="already_paid")
    payment = new_payment(ctx, account, PaymentKind.RETRY, failed.amount, request_key)
    new_id = _begin(ctx, payment, failed.method, retry_of=failed)
    charge(ctx, new_id, return_to=return_to)
    return ctx.session.get_one(Payment, payment.id, populate_existing=True)


def _begin(
    ctx: Context, payment: Payment, method: PaymentMethod, *, retry_of: Attempt | None = None
) -> int:
    """Write and commit the attempt before the processor is called (L3)."""
    if queries.open_attempt_with(ctx.session, method.id) is not None:
        raise Conflict(
            f"A payment with {method.label} is in progress. Wait for its outcome.",
            code="payment_open",
        )
    attempt = Attempt.start(payment, method, ctx.now, retry_of=retry_of)
    ctx.session.add_all([payment, attempt])
    ctx.session.flush()
    audit_request(ctx, payment)
    attempt_id = attempt.id
    ctx.session.commit()
    return attempt_id
