"""Audit-log every page that an operator views as a customer (P2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.shared import texts
from webapp.domain.shared.errors import NotFound


def begin_view(session: Session, account_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """Record that the operator starts viewing the account, and why.

    Raises `NotFound`, or `Invalid` without a reason.
    """
    reason = texts.reason(reason)
    begin_writing(session)
    if session.get(Account, account_id) is None:
        session.rollback()
        raise NotFound("The account")
    audit.record(session, account_id, actor, "view_begun", now, reason=reason)
    session.commit()


def record_view(session: Session, account_id: int, page: str, actor: Actor, now: datetime) -> None:
    begin_writing(session)
    audit.record(session, account_id, actor, "viewed", now, page=page)
    session.commit()
