"""Audit-log every page that an operator views as a customer (P2)."""

from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import PageViewed, ViewBegun
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound


def begin_view(ctx: Context, account_id: int, reason: str) -> None:
    """Record that the operator starts viewing the account, and why.

    Raises `NotFound`, or `Invalid` without a reason.
    """
    reason = texts.reason(reason)
    begin_writing(ctx.session)
    if ctx.session.get(Account, account_id) is None:
        ctx.session.rollback()
        raise NotFound("The account")
    events.record(ctx, account_id, ViewBegun(reason))
    ctx.session.commit()


def record_view(ctx: Context, account_id: int, page: str) -> None:
    begin_writing(ctx.session)
    events.record(ctx, account_id, PageViewed(page))
    ctx.session.commit()
