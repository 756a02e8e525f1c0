"""Money that was paid was taken back at the processor, or given back again (L7)."""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, notify_if_low, pause_for_dispute
from webapp.database.base import begin_writing
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payments import reversals, unmatched_events
from webapp.domain.payments.payment import (
    Attempt,
    AttemptState,
)
from webapp.domain.payments.reversals import Reversal
from webapp.domain.shared.money import decimal_text
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.ports import Reversed, TakenBackState

log = logging.getLogger(__name__)


def apply_reversal(
    session: Session,
    processor: str,
    told: Reversed,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    """Each by its own reference and amount, once, however often and in what order it is told.

    What fits no payment of ours goes before the operator (L9). `keep` writes what else belongs to
    the transaction.
    """
    attempt_id = session.scalar(
        select(Attempt.id).where(Attempt.key == told.key, Attempt.processor == processor)
    )
    if attempt_id is None:
        begin_writing(session)
        _before_operator(session, processor, told, now, "belongs to no payment of ours")
    else:
        account = Account.locked(session, session.get_one(Attempt, attempt_id).account_id)
        attempt = session.get_one(Attempt, attempt_id, populate_existing=True)
        if attempt.state != AttemptState.PAID:
            what = f"is of attempt {attempt_id}, which is {attempt.state} here"
            _before_operator(session, processor, told, now, what)
        elif told.currency != attempt.currency:
            what = f"is not in the {attempt.currency} of attempt {attempt_id}"
            _before_operator(session, processor, told, now, what)
        else:
            _follow(session, account, attempt, told, now, policy)
    keep()
    session.commit()


def _follow(
    session: Session,
    account: Account,
    attempt: Attempt,
    told: Reversed,
    now: datetime,
    policy: Policy,
) -> None:
    known = reversals.find(session, attempt.processor, told.reference)
    if known is None and not _is_still_ours_to_book(session, attempt, told, now):
        return
    if known is not None and known.attempt_id != attempt.id:
        why = f"is told of attempt {attempt.id}, and was of attempt {known.attempt_id}"
        _before_operator(session, attempt.processor, told, now, why, " (other payment)")
        return
    reversal = known or reversals.begin(session, attempt, told, now)
    if told.amount != reversal.amount:
        why = f"was of {decimal_text(reversal.amount)} when it was first told"
        _before_operator(session, attempt.processor, told, now, why, " (other amount)")
    before, reversal.state = TakenBackState(reversal.state), _later_of(reversal, told)
    if (before, told.state) == (TakenBackState.RETURNED, TakenBackState.LOST):
        _before_operator(session, attempt.processor, told, now, "was given back before", " (lost)")
    if reversal.state == TakenBackState.RETURNED:
        _give_back(session, account, reversal, now, policy)
        other = reversals.counterpart(session, reversal) if reversal.debit_id is None else None
        if other is not None:
            why = f"came back, and {other.reference} was debited for what may be the same money"
            _before_operator(session, attempt.processor, told, now, why, " (came back)")
    for waiting in reversals.waiting(session, attempt):
        _debit_what_is_left(session, account, waiting, now, policy)
    is_new = known is None
    lost = reversal.state == TakenBackState.LOST
    if lost and (is_new or before != TakenBackState.LOST):
        pause_for_dispute(session, account, reversal.name, now, policy)


def _is_still_ours_to_book(
    session: Session, attempt: Attempt, told: Reversed, now: datetime
) -> bool:
    """It may have gone before the operator because it came before its payment was settled, or could
    not be read then.

    What the operator has closed is decided, perhaps by an adjustment: it is not booked as well.
    """
    asked = unmatched_events.by_reference(session, attempt.processor, told.reference)
    if asked is not None and asked.closed_at is None:
        asked.close("It was told again, and followed.", now)
        return True
    if asked is not None:
        log.warning("%s was closed by the operator, and is not booked", told.reference)
    return asked is None


def _debit_what_is_left(
    session: Session, account: Account, reversal: Reversal, now: datetime, policy: Policy
) -> None:
    """Never more than was paid, whatever is told: the rest goes before the operator (L9).

    A refund that crosses the end of a dispute is told before the dispute's money is back. It waits
    with the operator, and is booked once there is room for all of it.
    """
    if _may_be_booked_already(session, reversal, now):
        return
    left = reversals.left_of(session, reversal.attempt)
    asked = unmatched_events.by_reference(session, reversal.processor, reversal.excess_reference)
    if asked is not None and (asked.closed_at is not None or left < reversal.amount):
        return
    amount = min(left, reversal.amount)
    if amount > 0:
        _debit(session, account, reversal, amount, now, policy)
    if asked is not None:
        asked.close("There was room for it again, and it was booked.", now)
    elif amount < reversal.amount:
        _excess_before_operator(session, account, reversal, reversal.amount - amount, now)


def _may_be_booked_already(session: Session, reversal: Reversal, now: datetime) -> bool:
    """As the dispute that caused this reversal, or the other way round: the operator decides."""
    processor, reference = reversal.processor, reversal.same_money_reference
    if unmatched_events.by_reference(session, processor, reference) is not None:
        return True
    other = reversals.counterpart(session, reversal)
    if other is None:
        return False
    what = (
        f"The {reversal.kind} ({reversal.state}) is of {reversal.attempt.payment.reference}, of "
        f"which the {other.kind} {other.reference} was debited. It may be the same money, so "
        "nothing more was booked."
    )
    amount = (reversal.amount, reversal.currency, reversal.at)
    unmatched_events.record(session, processor, reference, what, *amount, now)
    return True


def _excess_before_operator(
    session: Session, account: Account, reversal: Reversal, excess: int, now: datetime
) -> None:
    what = (
        f"The {reversal.kind} ({reversal.state}) of {decimal_text(reversal.amount)} is "
        f"{decimal_text(excess)} more than was left of {reversal.attempt.payment.reference} "
        f"(attempt {reversal.attempt_id}). Only what was left was booked."
    )
    amount = (excess, reversal.currency, reversal.at)
    unmatched_events.record(
        session, reversal.processor, reversal.excess_reference, what, *amount, now
    )
    line = (
        f"{reversal.name}: {account.show(excess)} of it is more than was left of that payment. It "
        "was not taken from the balance; your provider is asked."
    )
    decisions.record(session, account.id, Code.MISMATCH, line, now, attempt_id=reversal.attempt_id)


def _later_of(reversal: Reversal, told: Reversed) -> TakenBackState:
    """What has ended does not begin again, when an older word arrives late."""
    return told.state if reversal.state == TakenBackState.TAKEN else _ended(reversal, told)


def _ended(reversal: Reversal, told: Reversed) -> TakenBackState:
    won_after_all = (reversal.state, told.state) == (TakenBackState.LOST, TakenBackState.RETURNED)
    return TakenBackState.RETURNED if won_after_all else TakenBackState(reversal.state)


def _debit(
    session: Session,
    account: Account,
    reversal: Reversal,
    amount: int,
    now: datetime,
    policy: Policy,
) -> None:
    """It may take the balance below zero, and by itself starts no top-up."""
    settings = LowBalanceSettings.of(session, account.id)
    was_below = settings.is_below_refill(account.balance)
    reversal.debit(session, account, amount, now)
    if settings.is_below_refill(account.balance) and not was_below:
        account.low_by_reversal = True
    line = (
        f"{account.show(amount)} went back: {reversal.name}. "
        f"The balance is {account.show(account.balance)}."
    )
    _tell(session, account, reversal, Code.TAKEN_BACK, amount, line, now)
    notify_if_low(session, account, now, policy)


def _give_back(
    session: Session, account: Account, reversal: Reversal, now: datetime, policy: Policy
) -> None:
    asked = unmatched_events.by_reference(session, reversal.processor, reversal.excess_reference)
    if asked is not None and asked.closed_at is None:
        asked.close("It was given back.", now)
    if reversal.debit_id is None or reversal.credit_id is not None:
        return
    amount = reversal.credit(session, account, now)
    line = (
        f"{account.show(amount)} came back: {reversal.name} has ended for you. "
        f"The balance is {account.show(account.balance)}."
    )
    _tell(session, account, reversal, Code.GIVEN_BACK, amount, line, now)
    check_balance(session, account, "money given back", now, policy, routine=True)


def _tell(
    session: Session,
    account: Account,
    reversal: Reversal,
    code: Code,
    amount: int,
    line: str,
    now: datetime,
) -> None:
    """On the timeline and by a mail: money has moved."""
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


def _before_operator(
    session: Session, processor: str, told: Reversed, now: datetime, why: str, mark: str = ""
) -> None:
    """`mark` tells what else is wrong with a reversal that was booked."""
    what = f"The {told.kind} ({told.state}) {why}. Nothing {'more ' if mark else ''}was booked."
    amount = (told.amount, told.currency, told.at)
    unmatched_events.record(session, processor, f"{told.reference}{mark}", what, *amount, now)
