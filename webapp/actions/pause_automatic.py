"""The operator pauses an account's automatic payments; only the operator resumes them."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.withdrawals import note_withdrawal
from webapp.domain import audit, decisions, texts
from webapp.domain.accounts import Account
from webapp.domain.audit import Actor
from webapp.domain.decisions import Code
from webapp.domain.policy import Policy

TOLD = "Your provider paused automatic payments."


def pause_automatic(
    session: Session,
    account_id: int,
    reason: str,
    actor: Actor,
    now: datetime,
    policy: Policy,
) -> None:
    """What is being charged already runs on. Raises `NotFound`, or `Invalid` without a reason."""
    reason = texts.reason(reason)
    account = Account.locked(session, account_id)
    if not account.paused_by_operator:
        account.pause_by_operator(now)
        audit.record(session, account_id, actor, "paused", now, reason=reason)
        decisions.note(session, account_id, Code.PAUSED, TOLD, now)
        note_withdrawal(session, account, "Automatic payments were paused", now, policy)
    session.commit()
