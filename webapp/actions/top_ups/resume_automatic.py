"""Resume automatic payments after a pause (T10)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts import audit, decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.accounts.decisions import Code
from webapp.domain.shared import texts
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.policy import Policy


def resume_automatic(
    session: Session,
    account_id: int,
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    reason: str | None = None,
    confirmed: int | None = None,
) -> None:
    """Resume, with an empty burst window. Without a pause nothing changes.

    `reason`: given by an operator. Without it, raises `Conflict` if an operator paused the account.
    Raises `ChargeUnconfirmed` like `check_balance`.
    """
    details = {} if reason is None else {"reason": texts.reason(reason)}
    account = Account.locked(session, account_id)
    if account.paused_by_operator and reason is None:
        session.rollback()
        raise Conflict("Your provider has paused automatic payments. Only they can resume them.")
    if account.paused_at is not None:
        confirmed = confirmed_or_due(session, account, confirmed, now, policy)
        account.resume(now)
        audit.record(session, account_id, actor, "resumed", now, **details)
        who = actor.name if reason is None else "Your provider"
        line = f"{who} resumed automatic payments."
        decisions.record(session, account_id, Code.RESUMED, line, now)
        check_balance(session, account, "resumed", now, policy, confirmed=confirmed)
    session.commit()
