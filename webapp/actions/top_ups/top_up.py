"""Charge an open top-up to its methods, one after the other (T5–T9, T11, T14)."""

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.payments.charge import charge
from webapp.actions.payments.failure_emails import fail_payment
from webapp.actions.top_ups.check_balance import explain
from webapp.clock import Clock
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.payments.payment import Attempt, Payment, PaymentKind
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import Plan, PlanInput, TopUp, TopUpState
from webapp.domain.webhooks import payloads
from webapp.ports import Processors


def top_up(
    session: Session,
    top_up_id: int,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    should_continue: ShouldContinue = always,
) -> None:
    """Charge until one method has paid, all have failed, or an outcome is unknown.

    Safe to run concurrently and after a crash: each attempt is written under the account's lock,
    and an open attempt ends the loop. Another process can resume where this one stopped.
    """
    while should_continue():
        attempt_id = start_attempt(session, top_up_id, clock, policy)
        if attempt_id is None:
            return
        charge(session, attempt_id, processors, clock, policy)


def start_attempt(session: Session, top_up_id: int, clock: Clock, policy: Policy) -> int | None:
    """Do the final check (T14) under the lock and write the attempt. Returns the attempt's id.

    None if nothing is to be charged now: the top-up is closed, or waits for an outcome.
    """
    account_id, state = session.execute(_ACCOUNT_AND_STATE, {"top_up_id": top_up_id}).one()
    if state != TopUpState.OPEN:
        session.rollback()
        return None  # the usual case after a charge: no lock is needed
    account = Account.locked(session, account_id)
    top_up = session.get_one(TopUp, top_up_id, populate_existing=True)
    payment = session.scalar(select(Payment).where(Payment.top_up_id == top_up_id))
    if top_up.state != TopUpState.OPEN or (payment is not None and payment.has_open_attempt):
        session.rollback()
        return None
    tried = payment.tried_method_ids if payment else frozenset()
    # The time is read under the lock, so an attempt that waited for a Resume is dated after it and
    # counts in its burst window (T10).
    inputs = top_ups.gather(session, account, clock.now(), policy, tried=tried)
    plan = top_ups.plan(inputs)
    if not plan.charges:
        _charge_nothing(session, account, top_up, payment, inputs, plan)
        session.commit()
        return None
    attempt_id = _write_attempt(session, account, top_up, payment, inputs, plan).id
    session.commit()
    return attempt_id


def _write_attempt(
    session: Session,
    account: Account,
    top_up: TopUp,
    payment: Payment | None,
    inputs: PlanInput,
    plan: Plan,
) -> Attempt:
    if payment is None:
        payment = Payment(
            account_id=account.id,
            kind=PaymentKind.AUTOMATIC,
            currency=account.currency,
            top_up_id=top_up.id,
            created_at=inputs.now,
        )
        session.add(payment)
    payment.amount = plan.amount
    method = plan.methods[0]
    settings = LowBalanceSettings.of(session, account.id)
    attempt = Attempt.start(payment, method, inputs.now, settings_version=settings.version)
    session.add(attempt)
    session.flush()
    line = (
        f"Charging {account.show(plan.amount)} to {method.label}: the balance "
        f"{account.show(inputs.balance)} is below {account.show(inputs.choice.threshold or 0)}."
    )
    if inputs.tried:
        line = f"Charging {account.show(plan.amount)} to {method.label}, the next method."
    decisions.record(
        session,
        account.id,
        Code.CHARGING,
        line,
        inputs.now,
        attempt_id=attempt.id,
        top_up_id=top_up.id,
    )
    return attempt


def _charge_nothing(
    session: Session,
    account: Account,
    top_up: TopUp,
    payment: Payment | None,
    inputs: PlanInput,
    plan: Plan,
) -> None:
    """Wait for an open outcome, or close the top-up and record why nothing is charged."""
    if plan.code is Code.WAITING:
        return
    explain(session, account, inputs, plan, top_up=top_up)
    all_failed = plan.code is Code.ALL_FAILED
    top_up.close(TopUpState.EXHAUSTED if all_failed else TopUpState.DROPPED, inputs.now)
    if all_failed:
        amount = payment.amount if payment is not None else None
        payloads.top_up(session, account, top_up.id, inputs.now, succeeded=False, amount=amount)
    if payment is not None:
        fail_payment(session, account, payment, inputs.now, inputs.policy, all_failed=all_failed)


_ACCOUNT_AND_STATE = select(TopUp.account_id, TopUp.state).where(TopUp.id == bindparam("top_up_id"))
