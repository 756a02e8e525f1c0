"""Pause an account's automatic payments as an operator; only an operator can resume them."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.domain.accounts import audit, decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.accounts.decisions import Code
from webapp.domain.shared import texts
from webapp.domain.shared.policy import Policy

PAUSED_BY_PROVIDER = "Your provider paused automatic payments."


def pause_automatic(
    session: Session,
    account_id: int,
    reason: str,
    actor: Actor,
    now: datetime,
    policy: Policy,
) -> None:
    """Pause and commit. An open charge still finishes.

    Raises `NotFound`, or `Invalid` without a reason.
    """
    reason = texts.reason(reason)
    account = Account.locked(session, account_id)
    pause_account(session, account, reason, actor, now, policy)
    session.commit()


def pause_account(
    session: Session, account: Account, reason: str, actor: Actor, now: datetime, policy: Policy
) -> None:
    """Pause a locked account in the caller's transaction."""
    if account.paused_by_operator:
        return
    account.pause_by_operator(now)
    audit.record(session, account.id, actor, "paused", now, reason=reason)
    decisions.record(session, account.id, Code.PAUSED, PAUSED_BY_PROVIDER, now)
    record_withdrawal(session, account, "Automatic payments were paused", now, policy)
