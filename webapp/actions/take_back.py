"""Money that was paid was taken back at the processor, or given back again (L7)."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.look import look, notify_if_low, pause_for_dispute
from webapp.domain import decisions, evidence, moments, notices, reversals
from webapp.domain.accounts import Account
from webapp.domain.base import begin_writing
from webapp.domain.decisions import Code
from webapp.domain.low_balance import LowBalanceSettings
from webapp.domain.notices import NoticeKind
from webapp.domain.payments import Attempt, AttemptState
from webapp.domain.policy import Policy
from webapp.domain.reversals import Reversal
from webapp.ports import Reversed, TakenBackState


def take_back(
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
    reversal = known or reversals.begin(session, attempt, told, now)
    before, reversal.state = TakenBackState(reversal.state), _later_of(reversal, told)
    is_new = known is None
    if is_new and reversal.state != TakenBackState.RETURNED:
        _debit(session, account, reversal, now, policy)
    if reversal.state == TakenBackState.RETURNED and reversal.debit_id and not reversal.credit_id:
        _credit(session, account, reversal, now, policy)
    lost = reversal.state == TakenBackState.LOST
    if lost and (is_new or before != TakenBackState.LOST):
        pause_for_dispute(session, account, reversal.name, now, policy)


def _later_of(reversal: Reversal, told: Reversed) -> TakenBackState:
    """What has ended does not begin again, when an older word arrives late."""
    return told.state if reversal.state == TakenBackState.TAKEN else _ended(reversal, told)


def _ended(reversal: Reversal, told: Reversed) -> TakenBackState:
    won_after_all = (reversal.state, told.state) == (TakenBackState.LOST, TakenBackState.RETURNED)
    return TakenBackState.RETURNED if won_after_all else TakenBackState(reversal.state)


def _debit(
    session: Session, account: Account, reversal: Reversal, now: datetime, policy: Policy
) -> None:
    """It may take the balance below zero, and by itself starts no top-up."""
    settings = LowBalanceSettings.of(session, account.id)
    was_below = settings.is_below_refill(account.balance)
    reversal.debit(session, account, now)
    if settings.is_below_refill(account.balance) and not was_below:
        account.low_by_reversal = True
    line = (
        f"{account.show(reversal.amount)} went back: {reversal.name}. "
        f"The balance is {account.show(account.balance)}."
    )
    _tell(session, account, reversal, Code.TAKEN_BACK, line, now)
    notify_if_low(session, account, now, policy)


def _credit(
    session: Session, account: Account, reversal: Reversal, now: datetime, policy: Policy
) -> None:
    reversal.credit(session, account, now)
    line = (
        f"{account.show(reversal.amount)} came back: {reversal.name} has ended for you. "
        f"The balance is {account.show(account.balance)}."
    )
    _tell(session, account, reversal, Code.GIVEN_BACK, line, now)
    look(session, account, "money given back", now, policy, routine=True)


def _tell(
    session: Session, account: Account, reversal: Reversal, code: Code, line: str, now: datetime
) -> None:
    """On the timeline and by a mail: money has moved."""
    attempt_id = reversal.attempt_id
    decisions.note(session, account.id, code, line, now, attempt_id=attempt_id)
    facts = {
        "name": reversal.name,
        "came_back": code is Code.GIVEN_BACK,
        "amount": account.show(reversal.amount),
        "balance_after": account.show(account.balance),
        "reference": reversal.attempt.payment.reference,
        "at": moments.mailed(reversal.at, account.time_zone, now),
    }
    about = f"reversal {reversal.id} {code}"
    notices.owe(session, account, NoticeKind.TAKEN_BACK, about, facts, now, attempt_id=attempt_id)


def _before_operator(
    session: Session, processor: str, told: Reversed, now: datetime, why: str
) -> None:
    what = f"The {told.kind} ({told.state}) {why}. Nothing was booked."
    amount = (told.amount, told.currency, told.at)
    evidence.put(session, processor, told.reference, what, *amount, now)
