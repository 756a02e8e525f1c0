"""Ask processors about attempts whose outcome is not known, and settle them (L8, L10)."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.actions.settle import settle
from webapp.clock import Clock
from webapp.domain import moments, notices
from webapp.domain.accounts import Account
from webapp.domain.notices import NoticeKind
from webapp.domain.payments import KEY_LIFETIME, OPEN_STATES, Attempt, AttemptState
from webapp.domain.policy import Policy
from webapp.ports import Answer, ChargeRequest, NotKnown, Processor, Processors

TOO_OLD = "Not known to the processor, and too old to repeat safely. An operator must decide."


def reconcile(session: Session, processors: Processors, clock: Clock, policy: Policy) -> int:
    """Ask about every attempt that is due by L10's timetable. How many were settled."""
    due = session.scalars(
        select(Attempt.id).where(
            Attempt.state.in_(OPEN_STATES), Attempt.next_check_at <= clock.now()
        )
    ).all()
    session.rollback()
    return sum(_ask(session, attempt_id, processors, clock, policy) for attempt_id in due)


def _ask(
    session: Session, attempt_id: int, processors: Processors, clock: Clock, policy: Policy
) -> bool:
    now = clock.now()
    if not _claim(session, attempt_id, now):
        return False
    attempt = session.get_one(Attempt, attempt_id)
    processor, request = processors[attempt.processor], attempt.request()
    refused = attempt.state == AttemptState.REFUSED
    age, repeatable = now - attempt.started_at, attempt.may_be_repeated(now)
    session.rollback()  # no transaction is open during the call
    if refused and age < KEY_LIFETIME:
        answer: Answer | NotKnown = processor.charge(request)  # L8: again, under the same key
    else:
        answer = _ask_and_repeat(processor, request, repeatable)
    if not isinstance(answer, NotKnown):
        return settle(session, attempt_id, answer, clock.now(), policy)
    if age >= KEY_LIFETIME:
        _leave_to_operator(session, attempt_id)
    return False


def _ask_and_repeat(
    processor: Processor, request: ChargeRequest, repeatable: bool
) -> Answer | NotKnown:
    """ "Not known" is believed only after half an hour; then the same request is made again."""
    answer = processor.ask(request.key)
    if isinstance(answer, NotKnown) and repeatable:
        return processor.charge(request)
    return answer


def _claim(session: Session, attempt_id: int, now: datetime) -> bool:
    """Plan the next check, which also keeps a second scheduler from asking the same."""
    account = Account.locked(session, session.get_one(Attempt, attempt_id).account_id)
    attempt = session.get_one(Attempt, attempt_id, populate_existing=True)
    if not attempt.is_open or attempt.next_check_at is None or attempt.next_check_at > now:
        session.rollback()
        return False
    attempt.plan_next_check(now)
    if attempt.owes_word_to_customer(now):
        attempt.customer_told = True
        facts = {
            "amount": account.show(attempt.amount),
            "method": attempt.method.label if attempt.method else "",
            "since": moments.when(attempt.started_at, account.time_zone, now),
        }
        about = f"attempt {attempt.id}"
        kind = NoticeKind.STILL_UNKNOWN
        notices.owe(session, account, kind, about, facts, now, attempt_id=attempt.id)
    session.commit()
    return True


def _leave_to_operator(session: Session, attempt_id: int) -> None:
    Account.locked(session, session.get_one(Attempt, attempt_id).account_id)
    session.execute(
        update(Attempt)
        .where(Attempt.id == attempt_id, Attempt.state.in_(OPEN_STATES))
        .values(trouble=TOO_OLD)
    )
    session.commit()
