"""Add Funds by Auto-charge: the chain of T6 and T7 for an amount the user enters (L4)."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.payments.challenges import conclude_challenge_with
from webapp.actions.payments.charge import charge
from webapp.actions.payments.failure_emails import fail_payment
from webapp.actions.payments.payment_requests import (
    audit_request,
    check_amount,
    new_payment,
    require_seen,
    same_payment,
)
from webapp.actions.top_ups.check_balance import check_balance
from webapp.clock import Clock
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.accounts.decisions import Code
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.payments.payment import CHAIN_LIFE, Attempt, Payment, PaymentKind, PaymentState
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.ports import Processors

NO_METHOD = "No payment method with auto-charge on can be charged now"


def pay_by_auto_charge(
    session: Session,
    account_id: int,
    amount: int,
    request_key: str,
    actor: Actor,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    *,
    seen_open: Collection[int] | None = None,
) -> Payment:
    """Add funds through the chain of T6 and T7. Such payments do not count towards limits.

    Raises `Invalid` for the amount, or `Conflict` if no method with auto-charge on is chargeable
    or a payment is open that is not in `seen_open` (see `require_seen`).
    """
    if Payment.by_request_key(session, account_id, request_key) is None:
        for method_id in [m.id for m in payment_methods.listed(session, account_id)]:
            conclude_challenge_with(session, account_id, method_id, processors, clock, policy)
    account = Account.locked(session, account_id)
    now = clock.now()
    if (known := Payment.by_request_key(session, account_id, request_key)) is not None:
        return same_payment(session, known, PaymentKind.AUTO_CHARGE, amount)
    check_amount(account, amount, policy)
    require_seen(session, account, seen_open)
    if not _chain(session, account, frozenset(), now, policy):
        raise Conflict(f"{NO_METHOD}.", code="no_method_with_auto_charge")
    payment = new_payment(account, PaymentKind.AUTO_CHARGE, amount, request_key, actor, now)
    session.add(payment)
    session.flush()
    audit_request(session, payment, actor, now)
    payment_id = payment.id
    session.commit()
    continue_auto_charge(session, payment_id, processors, clock, policy)
    return session.get_one(Payment, payment_id, populate_existing=True)


def continue_auto_charge(
    session: Session,
    payment_id: int,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    should_continue: ShouldContinue = always,
) -> None:
    """Continue an open auto-charge payment; safe to run concurrently and after a crash."""
    while should_continue():
        attempt_id = _next_in_chain(session, payment_id, clock.now(), policy)
        if attempt_id is None:
            return
        charge(session, attempt_id, processors, clock, policy)


def _next_in_chain(session: Session, payment_id: int, now: datetime, policy: Policy) -> int | None:
    account_id = session.get_one(Payment, payment_id).account_id
    account = Account.locked(session, account_id)
    payment = session.get_one(Payment, payment_id, populate_existing=True)
    if payment.state != PaymentState.OPEN or payment.has_open_attempt:
        session.rollback()
        return None
    methods = _chain(session, account, payment.tried_method_ids, now, policy)
    # `abs`, because a clock that was set back must not revive an old chain.
    if not methods or abs(now - payment.created_at) > CHAIN_LIFE:
        all_failed = bool(payment.attempts) and not _chargeable(
            session, account, payment.tried_method_ids, now, policy
        )
        _end_chain(session, account, payment, now, policy, all_failed=all_failed)
        session.commit()
        return None
    attempt = Attempt.start(payment, methods[0], now)
    session.add(attempt)
    session.flush()
    attempt_id = attempt.id
    session.commit()
    return attempt_id


def _end_chain(
    session: Session,
    account: Account,
    payment: Payment,
    now: datetime,
    policy: Policy,
    *,
    all_failed: bool,
) -> None:
    if not all_failed:
        line = (
            f"Add Funds of {account.show(payment.amount)} was stopped: no method could be charged "
            "in time."
        )
        decisions.record(session, account.id, Code.CHAIN_ENDED, line, now)
    fail_payment(session, account, payment, now, policy, all_failed=all_failed)
    check_balance(session, account, "payment failed", now, policy)


def _chain(
    session: Session, account: Account, tried: frozenset[int], now: datetime, policy: Policy
) -> list[PaymentMethod]:
    """The methods to charge next, in order, without those that have an open payment."""
    return [
        method
        for method in _chargeable(session, account, tried, now, policy)
        if queries.open_attempt_with(session, method.id) is None
    ]


def _chargeable(
    session: Session, account: Account, tried: frozenset[int], now: datetime, policy: Policy
) -> tuple[PaymentMethod, ...]:
    """The chargeable methods, in order (T6); none if the primary's auto-charge is off (T5)."""
    inputs = top_ups.gather(session, account, now, policy, tried=tried)
    if not inputs.methods or not inputs.methods[0].auto_charge:
        return ()
    return top_ups.chargeable(inputs)
