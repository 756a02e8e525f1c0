"""Pay with one chosen method: Instant payment and Retry (L4, F4, F5)."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.payments.challenges import conclude_challenge_with
from webapp.actions.payments.charge import charge
from webapp.actions.payments.payment_requests import (
    audit_request,
    check_amount,
    new_payment,
    require_seen,
    same_payment,
)
from webapp.clock import Clock
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentKind
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.top_up import why_not_resumable
from webapp.ports import Processors


def pay_now(
    session: Session,
    account_id: int,
    method_id: int,
    amount: int,
    request_key: str,
    actor: Actor,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    *,
    return_to: str = "",
    seen_open: Collection[int] | None = None,
) -> Payment:
    """Charge the chosen method, without fallback. A suspended method is allowed (F5).

    If the bank challenges the customer, the payment stays open; see `challenges`.
    Raises `Invalid`, `NotFound`, or `Conflict` while a payment with that method is open, or any
    payment that is not in `seen_open` (see `require_seen`).
    """
    if Payment.by_request_key(session, account_id, request_key) is None:
        check_amount(session.get_one(Account, account_id), amount, policy)
        payment_methods.find(session, account_id, method_id)
        conclude_challenge_with(session, account_id, method_id, processors, clock, policy)
    account = Account.locked(session, account_id)
    now = clock.now()
    if (known := Payment.by_request_key(session, account_id, request_key)) is not None:
        return same_payment(session, known, PaymentKind.INSTANT, amount, method_id)
    check_amount(account, amount, policy)
    require_seen(session, account, seen_open)
    method = payment_methods.find(session, account_id, method_id)
    payment = new_payment(account, PaymentKind.INSTANT, amount, request_key, actor, now)
    attempt_id = _begin(session, payment, method, actor, now)
    charge(session, attempt_id, processors, clock, policy, return_to=return_to)
    return session.get_one(Payment, payment.id, populate_existing=True)


def retry(
    session: Session,
    account_id: int,
    attempt_id: int,
    request_key: str,
    actor: Actor,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    *,
    return_to: str = "",
    by_link: bool = False,
) -> Payment:
    """Charge the failed amount again with the same method, the customer present (F4).

    Raises `NotFound`, or `Conflict` if the payment has been retried successfully, if a payment with
    that method is open, or if the retry comes `by_link` and the email's link has expired (F10).
    """
    if Payment.by_request_key(session, account_id, request_key) is None:
        method_id = queries.find_attempt(session, account_id, attempt_id).method_id or 0
        conclude_challenge_with(session, account_id, method_id, processors, clock, policy)
    account = Account.locked(session, account_id)
    now = clock.now()
    failed = queries.find_attempt(session, account_id, attempt_id)
    if (known := Payment.by_request_key(session, account_id, request_key)) is not None:
        return same_payment(session, known, PaymentKind.RETRY, failed.amount, failed.method_id)
    if by_link and (ended := why_not_resumable(session, failed, now)):
        raise Conflict(ended, code="link_ended")
    if failed.state != AttemptState.DECLINED or failed.method is None:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    if failed.method.removed_at is not None:
        raise NotFound("That payment method")
    if queries.paid_retry_of(session, failed) is not None:
        raise Conflict("This payment has already been retried successfully.", code="already_paid")
    payment = new_payment(account, PaymentKind.RETRY, failed.amount, request_key, actor, now)
    new_id = _begin(session, payment, failed.method, actor, now, retry_of=failed)
    charge(session, new_id, processors, clock, policy, return_to=return_to)
    return session.get_one(Payment, payment.id, populate_existing=True)


def _begin(
    session: Session,
    payment: Payment,
    method: PaymentMethod,
    actor: Actor,
    now: datetime,
    *,
    retry_of: Attempt | None = None,
) -> int:
    """Write and commit the attempt before the processor is called (L3)."""
    if queries.open_attempt_with(session, method.id) is not None:
        raise Conflict(
            f"A payment with {method.label} is in progress. Wait for its outcome.",
            code="payment_open",
        )
    attempt = Attempt.start(payment, method, now, retry_of=retry_of)
    session.add_all([payment, attempt])
    session.flush()
    audit_request(session, payment, actor, now)
    attempt_id = attempt.id
    session.commit()
    return attempt_id
