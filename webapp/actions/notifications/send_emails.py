"""Send queued emails: claim, hand over to the mail server, record (F11, L6, N2)."""

import logging

from sqlalchemy import select, update

from webapp.actions.batch import ShouldContinue, always
from webapp.database.transactions import begin_writing
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import CLAIM, Notice, NoticeState
from webapp.domain.shared.context import Context
from webapp.ports import Mailer, MailRefused, MailServerUnavailable, Outgoing

log = logging.getLogger(__name__)


def send_emails(
    ctx: Context, mailer: Mailer, should_continue: ShouldContinue = always, limit: int = 100
) -> int:
    """Send due emails, the most urgent first, over one connection to the mail server.

    Returns how many were sent, or marked as kept if no mail server is configured. Each email is
    selected after the one before it is sent, so an urgent email waits for at most one other.

    An email is committed as claimed before it is handed over, and as sent afterwards. If the
    process is killed between the mail server's answer and the second commit, that one email is
    sent again once `CLAIM` has passed, under the same Message-ID. No email is lost.

    Raises `MailServerUnavailable` at the first email that cannot be handed over; the remaining
    emails wait for the next run.
    """
    if not mailer.delivers:
        return _mark_kept(ctx.later(), limit)
    sent = 0
    claimed = _claim_first(ctx.later())
    with mailer.connected() as outgoing:
        for count in range(1, limit + 1):
            if claimed is None:
                break
            refusal = _send(claimed, mailer, outgoing)
            sent += refusal is None
            claim_next = (
                count < limit
                and should_continue()
                and not isinstance(refusal, MailServerUnavailable)
            )
            claimed = _record(ctx.later(), claimed, refusal, claim_next=claim_next)
            if isinstance(refusal, MailServerUnavailable):
                raise refusal
    return sent


def _claim_first(ctx: Context) -> Notice | None:
    found = outbox.is_any_due(ctx)
    ctx.session.rollback()
    if not found:
        return None  # the usual case: no lock is taken
    begin_writing(ctx.session)
    claimed = _claim(ctx)
    ctx.session.commit()
    return claimed


def _send(notice: Notice, mailer: Mailer, outgoing: Outgoing) -> MailRefused | None:
    """Hand the email over; no transaction is open meanwhile. Returns the failure, if any."""
    if not notice.recipient:
        return None
    try:
        stop_link = mailer.stop_link(notice.id) if notice.can_be_stopped else ""
        facts = {**notice.facts, "stop_link": stop_link}
        letter = mailer.render(notice.kind, facts, notice.language)
        outgoing.send(letter, [notice.recipient], notice.message_id, stop_link=stop_link)
    except MailRefused as refused:
        return refused
    except Exception as fault:  # a faulty template must not block the other emails
        log.exception("notice %s could not be sent", notice.id)
        return MailRefused(f"{type(fault).__name__}: {fault}")
    return None


def _record(
    ctx: Context, notice: Notice, refusal: MailRefused | None, *, claim_next: bool
) -> Notice | None:
    """Record the result and claim the next email, in one commit."""
    begin_writing(ctx.session)
    ctx.session.add(notice)
    notice.record(refusal, ctx.now, kept=not notice.recipient)
    claimed = _claim(ctx) if claim_next else None
    ctx.session.commit()
    return claimed


def _claim(ctx: Context) -> Notice | None:
    """Claim the next due email, if any, and detach it from the session. The caller commits."""
    notice = outbox.next_due(ctx)
    if notice is not None:
        notice.tries, notice.next_try_at = notice.tries + 1, ctx.now + CLAIM
        ctx.session.flush()
        ctx.session.expunge(notice)
    return notice


def _mark_kept(ctx: Context, limit: int) -> int:
    """No mail server is configured: mark all due emails as kept in one commit."""
    due = ctx.session.scalars(select(Notice.id).where(outbox.due(ctx.now)).limit(limit)).all()
    ctx.session.rollback()
    if not due:
        return 0
    begin_writing(ctx.session)
    kept = ctx.session.connection().execute(
        update(Notice)
        .where(Notice.id.in_(due), outbox.due(ctx.now))
        .values(state=NoticeState.KEPT, tries=Notice.tries + 1, sent_at=ctx.now, next_try_at=None)
    )
    ctx.session.commit()
    return kept.rowcount
