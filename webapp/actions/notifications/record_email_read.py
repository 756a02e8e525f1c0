"""Audit-log that an operator reads an email (P2)."""

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.notifications import MailRead
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
    owners = accounts_of(ctx.session, notice)
    events.record_in_each(ctx, owners, MailRead(notice.kind, notice.id, notice.recipient))
    ctx.session.commit()
