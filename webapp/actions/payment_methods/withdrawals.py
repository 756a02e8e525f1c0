"""What is withdrawn during an automatic charge lets that charge finish; the timeline says what
follows (T14).
"""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.payments import queries
from webapp.domain.payments.payment import (
    Attempt,
    AttemptState,
)
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Plan


def record_withdrawal(
    session: Session, account: Account, change: str, now: datetime, policy: Policy
) -> None:
    """Note `change`, such as "Automatic refill was switched off", where an automatic charge is
    open. Called once the change is made: the planner says what follows from it.
    """
    session.flush()
    for attempt in queries.open_attempts(session, account.id):
        if attempt.automatic and attempt.method is not None:
            method, amount = attempt.method.label, account.show(attempt.amount)
            follows = _what_follows(session, account, attempt, now, policy)
            line = f"{change} while {amount} was being charged to {method}. {follows}"
            code = Code.WITHDRAWN_TOO_LATE
            decisions.record(session, account.id, code, line, now, attempt_id=attempt.id)


def _what_follows(
    session: Session, account: Account, attempt: Attempt, now: datetime, policy: Policy
) -> str:
    if attempt.state == AttemptState.REFUSED:
        if top_ups.is_still_wanted(session, account, attempt, now, policy):
            return "The processor has not accepted that charge yet; it is sent again."
        plan = _plan_without(session, account, attempt, frozenset(), now, policy)
        instead = _charge_in_words(account, plan, "instead")
        return f"The processor has not accepted that charge, and it is not sent again. {instead}"
    tried = attempt.payment.tried_method_ids
    plan = _plan_without(session, account, attempt, tried, now, policy)
    follows = _charge_in_words(account, plan, "next")
    return f"That charge is not recalled. If it is declined: {follows}"


def _plan_without(
    session: Session,
    account: Account,
    attempt: Attempt,
    tried: frozenset[int],
    now: datetime,
    policy: Policy,
) -> Plan:
    at = top_ups.gather(session, account, now, policy, tried=tried)
    return top_ups.plan(top_ups.without(at, attempt))


def _charge_in_words(account: Account, plan: Plan, when: str) -> str:
    if plan.charges:
        return f"{account.show(plan.amount)} is charged to {plan.methods[0].label} {when}."
    return f"Nothing is charged {when}."
