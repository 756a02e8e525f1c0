"""Audit-log that an operator reads an email (P2)."""

from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.notifications.outbox import Notice, accounts_of
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound


def record_email_read(ctx: Context, notice_id: int) -> None:
    """Raises `NotFound`."""
    begin_writing(ctx.session)
    notice = ctx.session.get(Notice, notice_id)
    if notice is None:
        ctx.session.rollback()
        raise NotFound("That email")
    details = {"mail": notice.kind, "notice": notice.id, "recipient": notice.recipient}
    owners = accounts_of(ctx.session, notice)
    audit.record_in_each(ctx, owners, "mail_read", **details)
    ctx.session.commit()
