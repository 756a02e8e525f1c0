"""Resend an email that failed, or that was not sent because no mail server was configured."""

from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.notifications import MailResent
from webapp.domain.notifications.outbox import Notice, accounts_of
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.ports import Mailer


def resend_email(ctx: Context, notice_id: int, reason: str, mailer: Mailer) -> None:
    """Queue the email again under the same Message-ID, so mail clients can detect a duplicate.

    Raises `NotFound`, `Invalid` without a reason, or `Conflict` if the email was sent, is still
    being retried, or cannot be delivered.
    """
    reason = texts.reason(reason)
    begin_writing(ctx.session)
    notice = ctx.session.get(Notice, notice_id, with_for_update=True)
    if notice is None:
        ctx.session.rollback()
        raise NotFound("That email")
    if not notice.can_go_again(delivers=mailer.delivers):
        ctx.session.rollback()
        raise Conflict("This email was sent, is being retried, or cannot be delivered.")
    notice.go_again(ctx.now)
    owners = accounts_of(ctx.session, notice)
    events.record_in_each(ctx, owners, MailResent(notice.kind, notice.id, reason))
    ctx.session.commit()
