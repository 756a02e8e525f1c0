"""Send the emails that are owed: claim, hand over, record (F11, L6, N2)."""

import logging
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.actions.batch import ShouldContinue, always
from webapp.clock import Clock
from webapp.database.base import begin_writing
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import CLAIM, Notice, NoticeState
from webapp.ports import Mailer, MailRefused, MailServerUnavailable, Outgoing

log = logging.getLogger(__name__)


def send_emails(
    session: Session,
    mailer: Mailer,
    clock: Clock,
    should_continue: ShouldContinue = always,
    limit: int = 100,
) -> int:
    """Send what is due, the most urgent first, in one connection to the mail server.

    Returns how many were sent, or kept where no mail server is set. Each is chosen when the one
    before it is done, so an urgent email waits for one other and not for the whole round.

    An email is committed as claimed before it is handed over, and as sent afterwards. A process
    that is killed between the mail server's answer and that commit leaves the claim: after `CLAIM`
    that one email is sent again, under the same Message-ID. None is lost, and no other is repeated.

    Raises `MailServerUnavailable` at the first email that cannot be handed over; the others are
    left for the next round.
    """
    if not mailer.delivers:
        return _keep(session, clock.now(), limit)
    sent = 0
    claimed = _claim_first(session, clock.now())
    with mailer.connected() as outgoing:
        for count in range(1, limit + 1):
            if claimed is None:
                break
            refusal = _send(claimed, mailer, outgoing)
            sent += refusal is None
            goes_on = (
                count < limit
                and should_continue()
                and not isinstance(refusal, MailServerUnavailable)
            )
            claimed = _record(session, claimed, refusal, clock.now(), goes_on=goes_on)
            if isinstance(refusal, MailServerUnavailable):
                raise refusal
    return sent


def _claim_first(session: Session, now: datetime) -> Notice | None:
    found = outbox.is_any_due(session, now)
    session.rollback()
    if not found:
        return None  # the usual case, for which nothing is locked
    begin_writing(session)
    claimed = _claim(session, now)
    session.commit()
    return claimed


def _send(notice: Notice, mailer: Mailer, outgoing: Outgoing) -> MailRefused | None:
    """While it lasts no transaction is open. Returns why it was not sent."""
    if not notice.recipient:
        return None
    try:
        stop_link = mailer.stop_link(notice.id) if notice.can_be_stopped else ""
        facts = {**notice.facts, "stop_link": stop_link}
        letter = mailer.render(notice.kind, facts, notice.language)
        outgoing.send(letter, [notice.recipient], notice.message_id, stop_link=stop_link)
    except MailRefused as refused:
        return refused
    except Exception as fault:  # a template's fault must not keep the other mails
        log.exception("notice %s could not be sent", notice.id)
        return MailRefused(f"{type(fault).__name__}: {fault}")
    return None


def _record(
    session: Session, notice: Notice, refusal: MailRefused | None, now: datetime, *, goes_on: bool
) -> Notice | None:
    """Record what came of it and, in the same commit, claim the next one."""
    begin_writing(session)
    session.add(notice)
    notice.record(refusal, now, kept=not notice.recipient)
    claimed = _claim(session, now) if goes_on else None
    session.commit()
    return claimed


def _claim(session: Session, now: datetime) -> Notice | None:
    """The next one that is due, if any: as a copy, which is not read anew. The caller commits."""
    notice = outbox.next_due(session, now)
    if notice is not None:
        notice.tries, notice.next_try_at = notice.tries + 1, now + CLAIM
        session.flush()
        session.expunge(notice)
    return notice


def _keep(session: Session, now: datetime, limit: int) -> int:
    """In the outbox, all in one commit: nothing leaves, so nothing is claimed first."""
    due = session.scalars(select(Notice.id).where(outbox.due(now)).limit(limit)).all()
    session.rollback()
    if not due:
        return 0
    begin_writing(session)
    kept = session.connection().execute(
        update(Notice)
        .where(Notice.id.in_(due), outbox.due(now))
        .values(state=NoticeState.KEPT, tries=Notice.tries + 1, sent_at=now, next_try_at=None)
    )
    session.commit()
    return kept.rowcount
