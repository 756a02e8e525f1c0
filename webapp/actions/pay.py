"""A person pays: Add Funds with one method or by the chain, and Retry (L4, F4, F5).

`request_key` is made with the form. A form that is sent twice, by a double click, a reload or the
back button, finds its payment here and charges nothing more.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.charge import charge
from webapp.actions.failure_mails import fail_payment
from webapp.actions.look import look
from webapp.clock import Clock
from webapp.domain import audit, payment_methods, payments, top_ups
from webapp.domain.accounts import Account
from webapp.domain.audit import Actor
from webapp.domain.errors import Conflict, Invalid, NotFound
from webapp.domain.money import CENT
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.payments import (
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.policy import Policy
from webapp.ports import Processors

NO_METHOD = "No payment method with auto-charge on can be charged now"


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
) -> Payment:
    """Instant payment with the chosen method; no fallback. A suspended one is allowed (F5).

    Raises `Invalid`, `NotFound`, or `Conflict` while a payment with that method is open.
    """
    now = clock.now()
    account = Account.locked(session, account_id)
    if (known := Payment.by_request_key(session, account_id, request_key)) is not None:
        session.rollback()
        return known
    _check_amount(account, amount, policy)
    method = payment_methods.find(session, account_id, method_id)
    payment = _new_payment(account, PaymentKind.INSTANT, amount, request_key, actor, now)
    attempt_id = _begin(session, payment, method, actor, now)
    charge(session, attempt_id, processors, clock, policy)
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
) -> Payment:
    """The same amount with the same method, the customer present (F4).

    Raises `NotFound`, or `Conflict` if it has been paid or a payment with that method is open.
    """
    now = clock.now()
    account = Account.locked(session, account_id)
    if (known := Payment.by_request_key(session, account_id, request_key)) is not None:
        session.rollback()
        return known
    failed = payments.find_attempt(session, account_id, attempt_id)
    if failed.state != AttemptState.DECLINED or failed.method is None:
        raise Conflict("Only a failed payment can be retried.", code="not_failed")
    if failed.method.removed_at is not None:
        raise NotFound("That payment method")
    if _is_retried(session, failed):
        raise Conflict("This payment has been retried with success.", code="already_paid")
    payment = _new_payment(account, PaymentKind.RETRY, failed.amount, request_key, actor, now)
    new_id = _begin(session, payment, failed.method, actor, now, retry_of=failed)
    charge(session, new_id, processors, clock, policy)
    return session.get_one(Payment, payment.id, populate_existing=True)


def pay_by_auto_charge(
    session: Session,
    account_id: int,
    amount: int,
    request_key: str,
    actor: Actor,
    processors: Processors,
    clock: Clock,
    policy: Policy,
) -> Payment:
    """Add funds through the chain of T6 and T7. Limits do not count what a person asks for.

    Raises `Invalid` for the amount, or `Conflict` when no method with auto-charge on is chargeable.
    """
    now = clock.now()
    account = Account.locked(session, account_id)
    if (known := Payment.by_request_key(session, account_id, request_key)) is not None:
        session.rollback()
        return known
    _check_amount(account, amount, policy)
    if not _chain(session, account, frozenset(), now, policy):
        raise Conflict(f"{NO_METHOD}.", code="no_method_with_auto_charge")
    payment = _new_payment(account, PaymentKind.AUTO_CHARGE, amount, request_key, actor, now)
    session.add(payment)
    session.flush()
    _audit(session, payment, actor, now)
    payment_id = payment.id
    session.commit()
    go_on_by_auto_charge(session, payment_id, processors, clock, policy)
    return session.get_one(Payment, payment_id, populate_existing=True)


def go_on_by_auto_charge(
    session: Session, payment_id: int, processors: Processors, clock: Clock, policy: Policy
) -> None:
    """Carry an open auto-charge payment on; safe to run twice at once and after a crash."""
    while (attempt_id := _next_in_chain(session, payment_id, clock.now(), policy)) is not None:
        charge(session, attempt_id, processors, clock, policy)


def _next_in_chain(session: Session, payment_id: int, now: datetime, policy: Policy) -> int | None:
    account_id = session.get_one(Payment, payment_id).account_id
    account = Account.locked(session, account_id)
    payment = session.get_one(Payment, payment_id, populate_existing=True)
    if payment.state != PaymentState.OPEN or any(a.is_open for a in payment.attempts):
        session.rollback()
        return None
    methods = _chain(session, account, payment.tried_method_ids, now, policy)
    if not methods:
        fail_payment(session, account, payment, now, policy, all_failed=True)
        look(session, account, "payment failed", now, policy)
        session.commit()
        return None
    attempt = Attempt.start(payment, methods[0], now)
    session.add(attempt)
    session.flush()
    attempt_id = attempt.id
    session.commit()
    return attempt_id


def _chain(
    session: Session, account: Account, tried: frozenset[int], now: datetime, policy: Policy
) -> list[PaymentMethod]:
    """T5, T6: none when the primary's auto-charge is off; passing over what cannot be charged."""
    at = top_ups.gather(session, account, now, policy, tried=tried)
    if not at.methods or not at.methods[0].auto_charge:
        return []
    return [
        method
        for method in top_ups.chargeable(at)
        if payments.open_attempt_with(session, method.id) is None
    ]


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
    if payments.open_attempt_with(session, method.id) is not None:
        raise Conflict(
            f"A payment with {method.label} is under way. Wait for its outcome.",
            code="payment_open",
        )
    attempt = Attempt.start(payment, method, now, retry_of=retry_of)
    session.add_all([payment, attempt])
    session.flush()
    _audit(session, payment, actor, now)
    attempt_id = attempt.id
    session.commit()
    return attempt_id


def _new_payment(
    account: Account,
    kind: PaymentKind,
    amount: int,
    request_key: str,
    actor: Actor,
    now: datetime,
) -> Payment:
    return Payment(
        account_id=account.id,
        kind=kind,
        state=PaymentState.OPEN,
        amount=amount,
        currency=account.currency,
        requested_by_id=actor.user_id,
        request_key=request_key,
        created_at=now,
    )


def _audit(session: Session, payment: Payment, actor: Actor, now: datetime) -> None:
    audit.record(
        session,
        payment.account_id,
        actor,
        "payment_requested",
        now,
        payment=payment.reference,
        kind=payment.kind,
        amount=payment.amount,
    )


def _check_amount(account: Account, amount: int, policy: Policy) -> None:
    if amount % CENT:
        raise Invalid({"amount": "At most 2 decimals"})
    if amount < policy.payment_min:
        raise Invalid({"amount": f"At least {account.show(policy.payment_min)}"})
    if amount > policy.payment_max:
        raise Invalid({"amount": f"At most {account.show(policy.payment_max)}"})


def _is_retried(session: Session, failed: Attempt) -> bool:
    paid = select(Attempt.id).where(
        Attempt.retry_of_id == failed.id, Attempt.state == AttemptState.PAID
    )
    return session.scalar(paid) is not None
