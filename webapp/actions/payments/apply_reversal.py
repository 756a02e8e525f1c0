"""Book refunds, disputes and reversals from the processor, and money they return (L7)."""

import logging
from collections.abc import Callable

from sqlalchemy import select

from webapp.actions.top_ups.check_balance import check_balance, notify_if_low, pause_for_dispute
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import (
    EvidenceMismatched,
    MoneyReturned,
    MoneyTakenBack,
    PaymentEvent,
)
from webapp.domain.payments import reversals, unmatched_events
from webapp.domain.payments.payment import Attempt, AttemptState, Payment
from webapp.domain.payments.reversals import Reversal
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.webhooks import payloads
from webapp.ports import ReversalState, Reversed

log = logging.getLogger(__name__)


def apply_reversal(ctx: Context, processor: str, event: Reversed, keep: Callable[[], None]) -> None:
    """Book a reversal once by its reference, despite repeated or reordered events.

    Events that match no payment are recorded for the operator (L9). `keep` adds writes to the
    transaction.
    """
    attempt_id = ctx.session.scalar(
        select(Attempt.id).where(Attempt.key == event.key, Attempt.processor == processor)
    )
    if attempt_id is None:
        begin_writing(ctx.session)
        _record_for_operator(ctx, processor, event, "matches no payment in Ballast")
    else:
        account = Account.locked(ctx.session, ctx.session.get_one(Attempt, attempt_id).account_id)
        attempt = ctx.session.get_one(Attempt, attempt_id, populate_existing=True)
        if attempt.state != AttemptState.PAID:
            what = f"belongs to attempt {attempt_id}, whose state here is {attempt.state}"
            _record_for_operator(ctx, processor, event, what)
        elif event.currency != attempt.currency:
            what = f"is not in {attempt.currency}, the currency of attempt {attempt_id}"
            _record_for_operator(ctx, processor, event, what)
        else:
            _apply(ctx, account, attempt, event)
    keep()
    ctx.session.commit()


def _apply(ctx: Context, account: Account, attempt: Attempt, event: Reversed) -> None:
    known = reversals.find(ctx.session, attempt.processor, event.reference)
    if known is None and not _may_book(ctx, attempt, event):
        return
    if known is not None and known.attempt_id != attempt.id:
        why = f"now names attempt {attempt.id}, earlier attempt {known.attempt_id}"
        _record_for_operator(ctx, attempt.processor, event, why, " (other payment)")
        return
    reversal = known or reversals.begin(ctx, attempt, event)
    if event.amount != reversal.amount:
        why = f"was first reported with an amount of {decimal_text(reversal.amount)}"
        _record_for_operator(ctx, attempt.processor, event, why, " (other amount)")
    before, reversal.state = ReversalState(reversal.state), _later_of(reversal, event)
    if (before, event.state) == (ReversalState.RETURNED, ReversalState.LOST):
        _record_for_operator(ctx, attempt.processor, event, "was returned before", " (lost)")
    if reversal.state == ReversalState.RETURNED:
        _give_back(ctx, account, reversal)
        other = reversals.counterpart(ctx.session, reversal) if reversal.debit_id is None else None
        if other is not None:
            why = f"was returned, but {other.reference} may be the same money and was debited"
            _record_for_operator(ctx, attempt.processor, event, why, " (came back)")
    for waiting in reversals.waiting(ctx.session, attempt):
        _debit_what_is_left(ctx, account, waiting)
    is_new = known is None
    lost = reversal.state == ReversalState.LOST
    if lost and (is_new or before != ReversalState.LOST):
        pause_for_dispute(ctx, account, reversal.name, reversal.attempt_id)


def _may_book(ctx: Context, attempt: Attempt, event: Reversed) -> bool:
    """Whether the reversal may be booked: not if the operator has closed its event.

    The event may have been recorded for the operator because it arrived before its payment was
    settled or could not be read; if it is still open, it is closed and booked now. An event the
    operator has closed may have been settled by an adjustment, so booking it could count it twice.
    """
    recorded = unmatched_events.by_reference(ctx.session, attempt.processor, event.reference)
    if recorded is not None and recorded.closed_at is None:
        recorded.close("The event was received again and booked.", ctx.now)
        return True
    if recorded is not None:
        log.warning("%s was closed by the operator and is not booked", event.reference)
    return recorded is None


def _debit_what_is_left(ctx: Context, account: Account, reversal: Reversal) -> None:
    """Debit at most what is left of the payment; the excess is recorded for the operator (L9).

    A refund can be reported before the money of an ended dispute is returned. It is recorded for
    the operator, and booked once enough of the payment is left for its full amount.
    """
    if _may_be_booked_already(ctx, reversal):
        return
    left = reversals.left_of(ctx.session, reversal.attempt)
    recorded = unmatched_events.by_reference(
        ctx.session, reversal.processor, reversal.excess_reference
    )
    if recorded is not None and (recorded.closed_at is not None or left < reversal.amount):
        return
    amount = min(left, reversal.amount)
    if amount > 0:
        _debit(ctx, account, reversal, amount)
    if recorded is not None:
        recorded.close("Enough of the payment was left again, so it was booked.", ctx.now)
    elif amount < reversal.amount:
        _record_excess_for_operator(ctx, account, reversal, reversal.amount - amount)


def _may_be_booked_already(ctx: Context, reversal: Reversal) -> bool:
    """Whether this may be the same money as a booked counterpart, such as a dispute and its
    reversal. If so, it is recorded for the operator to decide.
    """
    processor, reference = reversal.processor, reversal.same_money_reference
    if unmatched_events.by_reference(ctx.session, processor, reference) is not None:
        return True
    other = reversals.counterpart(ctx.session, reversal)
    if other is None:
        return False
    what = (
        f"The {reversal.kind} ({reversal.state}) belongs to {reversal.attempt.payment.reference}, "
        f"for which the {other.kind} {other.reference} was debited. It may be the same money, so "
        "nothing more was booked."
    )
    unmatched_events.record(
        ctx, processor, reference, what, reversal.amount, reversal.currency, reversal.at
    )
    return True


def _record_excess_for_operator(
    ctx: Context, account: Account, reversal: Reversal, excess: int
) -> None:
    what = (
        f"The {reversal.kind} ({reversal.state}) of {decimal_text(reversal.amount)} exceeds "
        f"the rest of {reversal.attempt.payment.reference} (attempt {reversal.attempt_id}) by "
        f"{decimal_text(excess)}. Only the rest was booked."
    )
    unmatched_events.record(
        ctx,
        reversal.processor,
        reversal.excess_reference,
        what,
        excess,
        reversal.currency,
        reversal.at,
    )
    line = (
        f"{reversal.name} exceeds the rest of that payment by {account.show(excess)}. The excess "
        "was not deducted from the balance. Your provider will review it."
    )
    events.record(ctx, account.id, EvidenceMismatched(line, reversal.attempt_id))


def _later_of(reversal: Reversal, event: Reversed) -> ReversalState:
    """Return the later state: an older event that arrives late does not reopen a reversal."""
    return event.state if reversal.state == ReversalState.TAKEN else _ended(reversal, event)


def _ended(reversal: Reversal, event: Reversed) -> ReversalState:
    won_after_all = (reversal.state, event.state) == (ReversalState.LOST, ReversalState.RETURNED)
    return ReversalState.RETURNED if won_after_all else ReversalState(reversal.state)


def _debit(ctx: Context, account: Account, reversal: Reversal, amount: int) -> None:
    """Debit the account. The balance may go below zero; the debit alone starts no refill."""
    settings = LowBalanceSettings.of(ctx.session, account.id)
    was_below = settings.is_below_refill(account.balance)
    reversal.debit(ctx, account, amount)
    if settings.is_below_refill(account.balance) and not was_below:
        settings.low_by_reversal = True
    event = MoneyTakenBack.about(account, reversal, amount, payment_id=reversal.debit_id)
    events.record(ctx, account.id, event)
    payloads.balance(ctx, account)
    notify_if_low(ctx, account)


def _give_back(ctx: Context, account: Account, reversal: Reversal) -> None:
    recorded = unmatched_events.by_reference(
        ctx.session, reversal.processor, reversal.excess_reference
    )
    if recorded is not None and recorded.closed_at is None:
        recorded.close("The money was returned.", ctx.now)
    if reversal.debit_id is None or reversal.credit_id is not None:
        return
    amount = reversal.credit(ctx, account)
    credit = ctx.session.get_one(Payment, reversal.credit_id)
    payload = PaymentEvent.about(account, credit).payload()
    event = MoneyReturned.about(account, reversal, amount, payment_id=credit.id, credit=payload)
    events.record(ctx, account.id, event)
    payloads.balance(ctx, account)
    check_balance(ctx, account, "money given back", routine=True)


def _record_for_operator(
    ctx: Context, processor: str, event: Reversed, why: str, mark: str = ""
) -> None:
    """Record the event as unmatched, for the operator.

    `mark` distinguishes further problems of a reversal that was booked.
    """
    what = f"The {event.kind} ({event.state}) {why}. Nothing {'more ' if mark else ''}was booked."
    unmatched_events.record(
        ctx, processor, f"{event.reference}{mark}", what, event.amount, event.currency, event.at
    )
