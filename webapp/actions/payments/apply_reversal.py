"""Book refunds, disputes and reversals from the processor, and money they return (L7)."""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, notify_if_low, pause_for_dispute
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payments import reversals, unmatched_events
from webapp.domain.payments.payment import Attempt, AttemptState
from webapp.domain.payments.reversals import Reversal
from webapp.domain.shared.money import decimal_text
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.ports import Reversed, TakenBackState

log = logging.getLogger(__name__)


def apply_reversal(
    session: Session,
    processor: str,
    event: Reversed,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    """Book a reversal once by its reference, despite repeated or reordered events.

    Events that match no payment are recorded for the operator (L9). `keep` adds writes to the
    transaction.
    """
    attempt_id = session.scalar(
        select(Attempt.id).where(Attempt.key == event.key, Attempt.processor == processor)
    )
    if attempt_id is None:
        begin_writing(session)
        _record_for_operator(session, processor, event, now, "matches no payment in Ballast")
    else:
        account = Account.locked(session, session.get_one(Attempt, attempt_id).account_id)
        attempt = session.get_one(Attempt, attempt_id, populate_existing=True)
        if attempt.state != AttemptState.PAID:
            what = f"belongs to attempt {attempt_id}, whose state here is {attempt.state}"
            _record_for_operator(session, processor, event, now, what)
        elif event.currency != attempt.currency:
            what = f"is not in {attempt.currency}, the currency of attempt {attempt_id}"
            _record_for_operator(session, processor, event, now, what)
        else:
            _apply(session, account, attempt, event, now, policy)
    keep()
    session.commit()


def _apply(
    session: Session,
    account: Account,
    attempt: Attempt,
    event: Reversed,
    now: datetime,
    policy: Policy,
) -> None:
    known = reversals.find(session, attempt.processor, event.reference)
    if known is None and not _may_book(session, attempt, event, now):
        return
    if known is not None and known.attempt_id != attempt.id:
        why = f"now names attempt {attempt.id}, earlier attempt {known.attempt_id}"
        _record_for_operator(session, attempt.processor, event, now, why, " (other payment)")
        return
    reversal = known or reversals.begin(session, attempt, event, now)
    if event.amount != reversal.amount:
        why = f"was first reported with an amount of {decimal_text(reversal.amount)}"
        _record_for_operator(session, attempt.processor, event, now, why, " (other amount)")
    before, reversal.state = TakenBackState(reversal.state), _later_of(reversal, event)
    if (before, event.state) == (TakenBackState.RETURNED, TakenBackState.LOST):
        _record_for_operator(
            session, attempt.processor, event, now, "was returned before", " (lost)"
        )
    if reversal.state == TakenBackState.RETURNED:
        _give_back(session, account, reversal, now, policy)
        other = reversals.counterpart(session, reversal) if reversal.debit_id is None else None
        if other is not None:
            why = f"was returned, but {other.reference} may be the same money and was debited"
            _record_for_operator(session, attempt.processor, event, now, why, " (came back)")
    for waiting in reversals.waiting(session, attempt):
        _debit_what_is_left(session, account, waiting, now, policy)
    is_new = known is None
    lost = reversal.state == TakenBackState.LOST
    if lost and (is_new or before != TakenBackState.LOST):
        pause_for_dispute(session, account, reversal.name, now, policy)


def _may_book(session: Session, attempt: Attempt, event: Reversed, now: datetime) -> bool:
    """Whether the reversal may be booked: not if the operator has closed its event.

    The event may have been recorded for the operator because it arrived before its payment was
    settled or could not be read; if it is still open, it is closed and booked now. An event the
    operator has closed may have been settled by an adjustment, so booking it could count it twice.
    """
    recorded = unmatched_events.by_reference(session, attempt.processor, event.reference)
    if recorded is not None and recorded.closed_at is None:
        recorded.close("The event was received again and booked.", now)
        return True
    if recorded is not None:
        log.warning("%s was closed by the operator and is not booked", event.reference)
    return recorded is None


def _debit_what_is_left(
    session: Session, account: Account, reversal: Reversal, now: datetime, policy: Policy
) -> None:
    """Debit at most what is left of the payment; the excess is recorded for the operator (L9).

    A refund can be reported before the money of an ended dispute is returned. It is recorded for
    the operator, and booked once enough of the payment is left for its full amount.
    """
    if _may_be_booked_already(session, reversal, now):
        return
    left = reversals.left_of(session, reversal.attempt)
    recorded = unmatched_events.by_reference(session, reversal.processor, reversal.excess_reference)
    if recorded is not None and (recorded.closed_at is not None or left < reversal.amount):
        return
    amount = min(left, reversal.amount)
    if amount > 0:
        _debit(session, account, reversal, amount, now, policy)
    if recorded is not None:
        recorded.close("Enough of the payment was left again, so it was booked.", now)
    elif amount < reversal.amount:
        _record_excess_for_operator(session, account, reversal, reversal.amount - amount, now)


def _may_be_booked_already(session: Session, reversal: Reversal, now: datetime) -> bool:
    """Whether this may be the same money as a booked counterpart, such as a dispute and its
    reversal. If so, it is recorded for the operator to decide.
    """
    processor, reference = reversal.processor, reversal.same_money_reference
    if unmatched_events.by_reference(session, processor, reference) is not None:
        return True
    other = reversals.counterpart(session, reversal)
    if other is None:
        return False
    what = (
        f"The {reversal.kind} ({reversal.state}) belongs to {reversal.attempt.payment.reference}, "
        f"for which the {other.kind} {other.reference} was debited. It may be the same money, so "
        "nothing more was booked."
    )
    amount = (reversal.amount, reversal.currency, reversal.at)
    unmatched_events.record(session, processor, reference, what, *amount, now)
    return True


def _record_excess_for_operator(
    session: Session, account: Account, reversal: Reversal, excess: int, now: datetime
) -> None:
    what = (
        f"The {reversal.kind} ({reversal.state}) of {decimal_text(reversal.amount)} exceeds "
        f"the rest of {reversal.attempt.payment.reference} (attempt {reversal.attempt_id}) by "
        f"{decimal_text(excess)}. Only the rest was booked."
    )
    amount = (excess, reversal.currency, reversal.at)
    unmatched_events.record(
        session, reversal.processor, reversal.excess_reference, what, *amount, now
    )
    line = (
        f"{reversal.name} exceeds the rest of that payment by {account.show(excess)}. The excess "
        "was not deducted from the balance. Your provider will review it."
    )
    decisions.record(session, account.id, Code.MISMATCH, line, now, attempt_id=reversal.attempt_id)


def _later_of(reversal: Reversal, event: Reversed) -> TakenBackState:
    """Return the later state: an older event that arrives late does not reopen a reversal."""
    return event.state if reversal.state == TakenBackState.TAKEN else _ended(reversal, event)


def _ended(reversal: Reversal, event: Reversed) -> TakenBackState:
    won_after_all = (reversal.state, event.state) == (TakenBackState.LOST, TakenBackState.RETURNED)
    return TakenBackState.RETURNED if won_after_all else TakenBackState(reversal.state)


def _debit(
    session: Session,
    account: Account,
    reversal: Reversal,
    amount: int,
    now: datetime,
    policy: Policy,
) -> None:
    """Debit the account. The balance may go below zero; the debit alone starts no refill."""
    settings = LowBalanceSettings.of(session, account.id)
    was_below = settings.is_below_refill(account.balance)
    reversal.debit(session, account, amount, now)
    if settings.is_below_refill(account.balance) and not was_below:
        account.low_by_reversal = True
    line = (
        f"{account.show(amount)} was deducted: {reversal.name}. "
        f"The balance is {account.show(account.balance)}."
    )
    _notify(session, account, reversal, Code.TAKEN_BACK, amount, line, now)
    notify_if_low(session, account, now, policy)


def _give_back(
    session: Session, account: Account, reversal: Reversal, now: datetime, policy: Policy
) -> None:
    recorded = unmatched_events.by_reference(session, reversal.processor, reversal.excess_reference)
    if recorded is not None and recorded.closed_at is None:
        recorded.close("The money was returned.", now)
    if reversal.debit_id is None or reversal.credit_id is not None:
        return
    amount = reversal.credit(session, account, now)
    line = (
        f"{account.show(amount)} was returned: {reversal.name} was decided in your favor. "
        f"The balance is {account.show(account.balance)}."
    )
    _notify(session, account, reversal, Code.GIVEN_BACK, amount, line, now)
    check_balance(session, account, "money given back", now, policy, routine=True)


def _notify(
    session: Session,
    account: Account,
    reversal: Reversal,
    code: Code,
    amount: int,
    line: str,
    now: datetime,
) -> None:
    """Add a timeline line and queue an email about moved money."""
    attempt_id = reversal.attempt_id
    decisions.record(session, account.id, code, line, now, attempt_id=attempt_id)
    facts = {
        "name": reversal.name_in(account.translator),
        "came_back": code is Code.GIVEN_BACK,
        "amount": account.show(amount),
        "balance_after": account.show(account.balance),
        "reference": reversal.attempt.payment.reference,
        "at": account.mailed(reversal.at, now),
    }
    about = f"reversal {reversal.id} {code}"
    outbox.enqueue(
        session, account, NoticeKind.TAKEN_BACK, about, facts, now, attempt_id=attempt_id
    )


def _record_for_operator(
    session: Session, processor: str, event: Reversed, now: datetime, why: str, mark: str = ""
) -> None:
    """Record the event as unmatched, for the operator.

    `mark` distinguishes further problems of a reversal that was booked.
    """
    what = f"The {event.kind} ({event.state}) {why}. Nothing {'more ' if mark else ''}was booked."
    amount = (event.amount, event.currency, event.at)
    unmatched_events.record(session, processor, f"{event.reference}{mark}", what, *amount, now)
