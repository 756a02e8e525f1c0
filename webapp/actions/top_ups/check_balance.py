"""Check whether an account needs a top-up or a low-balance email.

Called on a locked account, in each transaction that may change the answer (T4). The check opens the
top-up but charges nothing; the worker charges right after the commit.
"""

from dataclasses import replace

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.top_ups.blocked_email import (
    BLOCKED,
    is_blocked,
    mark_mailed,
    record_blocked,
)
from webapp.database.notify import notify_workers
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import DisputeLost
from webapp.domain.events.timeline import Code
from webapp.domain.events.top_ups import (
    Answered,
    LimitReached,
    LowBalance,
    NothingChargeable,
    PausedAtCheck,
    RefillHeld,
)
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import ChargeNow, ChargeUnconfirmed
from webapp.domain.top_ups.explanations import limit_name, plain, timeline_line, what_happens_next
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy
from webapp.domain.top_ups.top_up import Plan, PlanInput, TopUp

CAUSES = BLOCKED | {Code.AFTER_REVERSAL}
"""Codes that notify the provider while a refill is due. Those of an outcome that is awaited
and of a failed refill have events of their own."""


def check_balance(
    ctx: Context,
    account: Account,
    cause: str,
    *,
    routine: bool = False,
    confirmed: int | None = None,
) -> TopUp | None:
    """Open a top-up if the planner would charge now; otherwise add a timeline line that says why.

    A `routine` check follows from no user's action (the sweep, a settled payment) and adds a line
    only if the answer has changed.

    `confirmed`: the confirmed charge in micros, 0 if none, or None if no confirmation is required,
    as for API requests. Raises `ChargeUnconfirmed` if more would be charged
    (T18); the caller rolls back.
    """
    ctx.session.flush()
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if not routine or not account.is_low:
        settings.release_refill()
    settings.end_episode(account.balance)
    notify_if_low(ctx, account)
    if routine and not account.is_low:
        return None
    inputs = top_ups.gather(ctx, account)
    answer = top_ups.plan(inputs)
    if not inputs.choice.refill_on:
        return None
    if answer.charges:
        if confirmed is not None and answer.amount > confirmed:
            raise ChargeUnconfirmed(ChargeNow.of(inputs, answer))
        settings.blocked_code = None
        return open_top_up(ctx, account, cause)
    if answer.code is Code.WAITING and (routine or not inputs.is_below):
        return None
    if answer.code is Code.ABOVE_THRESHOLD and routine:
        return None
    explain(ctx, account, inputs, answer, routine=routine)
    return None


def confirmed_or_due(ctx: Context, account: Account, confirmed: int | None) -> int | None:
    """The amount the user has confirmed, or the charge of an open refill if that is more (T18).

    Call this before the change is made: an open refill charges without it.
    """
    if confirmed is None or top_ups.open_top_up(ctx.session, account.id) is None:
        return confirmed
    due = top_ups.plan(top_ups.gather(ctx, account))
    return max(confirmed, due.amount if due.charges else 0)


def hold_refill(ctx: Context, account: Account, why: str) -> None:
    """T18: the current change starts no refill; the next check does."""
    LowBalanceSettings.of(ctx.session, account.id).refill_held = True
    events.record(ctx, account.id, RefillHeld(why))


def pause_for_dispute(ctx: Context, account: Account, name: str, attempt_id: int) -> None:
    """L7: after a lost dispute automatic refills are paused until a user resumes them."""
    LowBalanceSettings.of(ctx.session, account.id).pause(PausedBy.DISPUTE, ctx.now)
    events.record(ctx, account.id, DisputeLost(name, attempt_id))
    record_withdrawal(ctx, account, "Automatic refills were paused")
    explain(ctx, account, top_ups.gather(ctx, account), Plan(Code.PAUSED))


def open_top_up(ctx: Context, account: Account, cause: str) -> TopUp:
    """Return the open top-up, or open one (T8)."""
    top_up = top_ups.open_top_up(ctx.session, account.id)
    if top_up is None:
        top_up = TopUp(account_id=account.id, cause=cause, opened_at=ctx.now)
        ctx.session.add(top_up)
        ctx.session.flush()
        notify_workers(ctx.session)
    return top_up


def explain(
    ctx: Context,
    account: Account,
    inputs: PlanInput,
    answer: Plan,
    *,
    top_up: TopUp | None = None,
    routine: bool = False,
) -> None:
    """Record on the timeline why nothing is charged, and queue an email if users must act
    (T10, T17). The email's line precedes the result's line, so repeated results are counted in one
    line.

    If the burst limit has stopped a charge, automatic refills are paused.
    """
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if answer.code is Code.PAUSED and inputs.paused_by is None:
        settings.pause(PausedBy.BURST, inputs.now)
        inputs = replace(inputs, paused_by=PausedBy.BURST)
    if answer.code is Code.CAP_REACHED and answer.until is not None:
        settings.look_again(answer.until)
    event = _answered(account, settings, inputs, answer, top_up)
    at, kind = ctx.at(inputs.now), event.email_kind
    if kind and not outbox.is_owed(ctx.session, account.id, kind, event.email_key()):
        mark_mailed(at, account)
    elif is_blocked(inputs, answer):
        record_blocked(at, account, inputs, answer, ended=top_up)
    events.record(at, account.id, event, routine=routine)
    _record_cause(at, account, settings, inputs, answer)


def _record_cause(
    ctx: Context, account: Account, settings: LowBalanceSettings, inputs: PlanInput, answer: Plan
) -> None:
    """V7: record for the provider that a due refill cannot be charged, once per cause."""
    is_due = inputs.choice.refill_on and inputs.is_below
    if not is_due or answer.code not in CAUSES or answer.code == settings.blocked_code:
        return
    settings.blocked_code = answer.code
    event = NothingChargeable(
        code=answer.code,
        sentence=timeline_line(inputs, answer, account.show),
        balance=inputs.balance,
        threshold=inputs.choice.threshold or 0,
        currency=account.currency,
        until=answer.until,
    )
    events.record(ctx, account.id, event)


def _answered(
    account: Account,
    settings: LowBalanceSettings,
    inputs: PlanInput,
    answer: Plan,
    top_up: TopUp | None,
) -> Answered:
    """The answer as an event; a pause and a limit owe an email each (T10)."""
    translator, show = account.translator, account.show
    facts = (answer.code, timeline_line(inputs, answer, show), top_up.id if top_up else None)
    if answer.code is Code.PAUSED and settings.paused_at is not None:
        explanation = timeline_line(inputs, answer, show, translator)
        return PausedAtCheck(*facts, explanation, settings.paused_at.isoformat())
    if answer.code is Code.CAP_REACHED and answer.until is not None:
        explanation = timeline_line(inputs, answer, show, translator)
        limit = limit_name(inputs, answer, show, translator)
        key = f"{answer.limit}:{answer.until.isoformat()}"
        return LimitReached(*facts, explanation, key, limit, answer.until)
    return Answered(*facts)


def notify_if_low(ctx: Context, account: Account) -> None:
    """N2: queue one email each time the balance falls below a notification threshold."""
    settings = LowBalanceSettings.of(ctx.session, account.id)
    crossed = settings.owes_notification(account.balance, ctx.now)
    if crossed is None:
        return
    key = ctx.now.isoformat()
    if not outbox.is_owed(ctx.session, account.id, NoticeKind.LOW_BALANCE, key):
        event = LowBalance(account.balance, crossed, key, what_next(ctx, account))
        events.record(ctx, account.id, event)


def what_next(ctx: Context, account: Account) -> str:
    """T13's sentence as plain text, for an email."""
    inputs = top_ups.gather(ctx, account)
    return plain(what_happens_next(inputs, account.show, account.translator))
