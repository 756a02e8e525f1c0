"""Query processors about attempts with an unknown outcome, and settle them (L8, L10)."""

from datetime import timedelta

from sqlalchemy import select

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.actions.payments.query_processor import ask, cancel
from webapp.actions.payments.settle import settle
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import CustomerWaits, OutcomeLeftToOperator
from webapp.domain.payments import query_schedule
from webapp.domain.payments.payment import KEY_LIFETIME, NOT_KNOWN_BELIEVED, Attempt, AttemptState
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.ports import (
    Answer,
    Cancelled,
    NeedsCustomer,
    NotKnown,
    RequestRejected,
    Unknown,
)

TOO_OLD = "Unknown to the processor and too old to repeat safely. An operator must decide."


def reconcile(ctx: Context, should_continue: ShouldContinue = always) -> int:
    """Query every attempt that is due by L10's schedule. Returns how many were settled."""
    due = ctx.session.scalars(
        select(Attempt.id)
        .where(query_schedule.due(ctx.clock.now()))
        .order_by(Attempt.next_check_at, Attempt.id)
    ).all()
    ctx.session.rollback()

    def follow_up(attempt_id: int) -> bool:
        return _follow_up(ctx, attempt_id)

    return run_each(ctx.session, due, follow_up, "attempt", should_continue)


def _follow_up(ctx: Context, attempt_id: int) -> bool:
    ctx = ctx.later()
    if not _claim(ctx, attempt_id):
        return False
    attempt = ctx.session.get_one(Attempt, attempt_id)
    processor, request, state = ctx.processors[attempt.processor], attempt.request(), attempt.state
    age = ctx.now - attempt.started_at
    ctx.session.rollback()  # no transaction is open during the call
    answer: Answer | NotKnown
    if state == AttemptState.CHALLENGED:
        answer = cancel(processor, request.key)  # F9: the challenge was left open
    elif state == AttemptState.REFUSED:
        answer = NotKnown()  # L8: the processor has not run the request
    else:
        answer = ask(processor, request.key)
    if isinstance(answer, NotKnown) and _can_be_repeated(state, age):
        if _confirm_repeat(ctx.later(), attempt_id):
            answer = processor.charge(request)
        else:
            answer = Cancelled(ctx.clock.now())
    if isinstance(answer, NotKnown):
        if age >= KEY_LIFETIME:
            _record_for_operator(ctx, attempt_id)
        settled = False
    else:
        took_effect = settle(ctx.later(), attempt_id, answer)
        settled = took_effect and not isinstance(answer, (Unknown, RequestRejected, NeedsCustomer))
    _notify_customer_if_due(ctx.later(), attempt_id)
    return settled


def _can_be_repeated(state: AttemptState, age: timedelta) -> bool:
    """L10: "not known" is believed only after 30 minutes; L8: a refusal is believed at once.

    A refused request that is too old to repeat is cancelled: the processor has not run it.
    """
    if state == AttemptState.REFUSED:
        return True
    return state != AttemptState.CHALLENGED and NOT_KNOWN_BELIEVED <= age < KEY_LIFETIME


def _confirm_repeat(ctx: Context, attempt_id: int) -> bool:
    """T14: the final check, under the lock, before the same request is sent again."""
    account = Account.locked(ctx.session, ctx.session.get_one(Attempt, attempt_id).account_id)
    attempt = ctx.session.get_one(Attempt, attempt_id, populate_existing=True)
    is_young = ctx.now - attempt.started_at < KEY_LIFETIME
    is_wanted = top_ups.is_still_wanted(ctx, account, attempt)
    if not (attempt.is_open and is_young and is_wanted):
        ctx.session.rollback()
        return False
    if attempt.state == AttemptState.REFUSED:
        # From here on the request may run, so a crash must not leave the attempt as refused.
        attempt.state = AttemptState.STARTED
    ctx.session.commit()
    return True


def _claim(ctx: Context, attempt_id: int) -> bool:
    """Schedule the next check, which also keeps a second scheduler from querying this attempt."""
    Account.locked(ctx.session, ctx.session.get_one(Attempt, attempt_id).account_id)
    attempt = ctx.session.scalar(
        select(Attempt).where(Attempt.id == attempt_id, query_schedule.due(ctx.now)),
        execution_options={"populate_existing": True},
    )
    if attempt is None:
        ctx.session.rollback()
        return False
    if attempt.extend_challenge(ctx.now):
        ctx.session.commit()
        return False
    attempt.plan_next_check(ctx.now)
    ctx.session.commit()
    return True


def _notify_customer_if_due(ctx: Context, attempt_id: int) -> None:
    """L10: email the customer if the outcome is still unknown after an hour.

    Called after the processor has been queried.
    """
    found = ctx.session.get_one(Attempt, attempt_id)
    if not found.is_open or not found.should_notify_customer(ctx.now):
        ctx.session.rollback()
        return
    account = Account.locked(ctx.session, found.account_id)
    attempt = ctx.session.get_one(Attempt, attempt_id, populate_existing=True)
    if attempt.is_open and attempt.should_notify_customer(ctx.now):
        attempt.customer_notified = True
        refused = attempt.state == AttemptState.REFUSED
        event = CustomerWaits.about(attempt, since=attempt.started_at, refused=refused)
        events.record(ctx, account.id, event)
    ctx.session.commit()


def _record_for_operator(ctx: Context, attempt_id: int) -> None:
    """L10: add one timeline line and list the attempt for the operator until it is decided."""
    account = Account.locked(ctx.session, ctx.session.get_one(Attempt, attempt_id).account_id)
    attempt = ctx.session.get_one(Attempt, attempt_id, populate_existing=True)
    if not attempt.is_open or (attempt.needs_operator and not attempt.refusals):
        ctx.session.rollback()
        return
    attempt.trouble, attempt.needs_operator, attempt.refusals = TOO_OLD, True, 0
    events.record(ctx, account.id, OutcomeLeftToOperator.about(attempt))
    ctx.session.commit()
