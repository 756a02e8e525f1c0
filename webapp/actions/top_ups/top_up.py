"""Charge an open top-up to its methods, one after the other (T5–T9, T11, T14)."""

from sqlalchemy import bindparam, select

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.payments.charge import charge
from webapp.actions.payments.failure_emails import fail_payment
from webapp.actions.top_ups.check_balance import explain
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.timeline import Code
from webapp.domain.events.top_ups import Charging, ChargingNext, RefillFailed
from webapp.domain.payments.payment import Attempt, Payment, PaymentKind
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import Plan, PlanInput, TopUp, TopUpState


def top_up(ctx: Context, top_up_id: int, should_continue: ShouldContinue = always) -> None:
    """Charge until one method has paid, all have failed, or an outcome is unknown.

    Safe to run concurrently and after a crash: each attempt is written under the account's lock,
    and an open attempt ends the loop. Another process can resume where this one stopped.
    """
    while should_continue():
        attempt_id = start_attempt(ctx, top_up_id)
        if attempt_id is None:
            return
        charge(ctx, attempt_id)


def start_attempt(ctx: Context, top_up_id: int) -> int | None:
    """Do the final check (T14) under the lock and write the attempt. Returns the attempt's id.

    None if nothing is to be charged now: the top-up is closed, or waits for an outcome.
    """
    account_id, state = ctx.session.execute(_ACCOUNT_AND_STATE, {"top_up_id": top_up_id}).one()
    if state != TopUpState.OPEN:
        ctx.session.rollback()
        return None  # the usual case after a charge: no lock is needed
    account = Account.locked(ctx.session, account_id)
    top_up = ctx.session.get_one(TopUp, top_up_id, populate_existing=True)
    payment = ctx.session.scalar(select(Payment).where(Payment.top_up_id == top_up_id))
    if top_up.state != TopUpState.OPEN or (payment is not None and payment.has_open_attempt):
        ctx.session.rollback()
        return None
    tried = payment.tried_method_ids if payment else frozenset()
    # The time is read under the lock, so an attempt that waited for a Resume is dated after it and
    # counts in its burst window (T10).
    inputs = top_ups.gather(ctx.later(), account, tried=tried)
    plan = top_ups.plan(inputs)
    if not plan.charges:
        _charge_nothing(ctx, account, top_up, payment, inputs, plan)
        ctx.session.commit()
        return None
    attempt_id = _write_attempt(ctx, account, top_up, payment, inputs, plan).id
    ctx.session.commit()
    return attempt_id


def _write_attempt(
    ctx: Context,
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
        ctx.session.add(payment)
    payment.amount = plan.amount
    method = plan.methods[0]
    settings = LowBalanceSettings.of(ctx.session, account.id)
    attempt = Attempt.start(payment, method, inputs.now, settings_version=settings.version)
    ctx.session.add(attempt)
    ctx.session.flush()
    why = {"balance": inputs.balance, "threshold": inputs.choice.threshold or 0}
    event = ChargingNext.about(attempt) if inputs.tried else Charging.about(attempt, **why)
    events.record(ctx.at(inputs.now), account.id, event)
    return attempt


def _charge_nothing(
    ctx: Context,
    account: Account,
    top_up: TopUp,
    payment: Payment | None,
    inputs: PlanInput,
    plan: Plan,
) -> None:
    """Wait for an open outcome, or close the top-up and record why nothing is charged."""
    if plan.code is Code.WAITING:
        return
    explain(ctx, account, inputs, plan, top_up=top_up)
    all_failed = plan.code is Code.ALL_FAILED
    top_up.close(TopUpState.EXHAUSTED if all_failed else TopUpState.DROPPED, inputs.now)
    if all_failed:
        amount = payment.amount if payment is not None else None
        event = RefillFailed(amount, account.balance, account.currency, top_up.id)
        events.record(ctx.at(inputs.now), account.id, event)
    if payment is not None:
        fail_payment(ctx.at(inputs.now), account, payment, all_failed=all_failed)


_ACCOUNT_AND_STATE = select(TopUp.account_id, TopUp.state).where(TopUp.id == bindparam("top_up_id"))
