"""Send the mails that are owed: claim, hand over, record (F11, L6, N2)."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.actions.each import Going, always, each
from webapp.clock import Clock
from webapp.domain import notices
from webapp.domain.base import begin_writing
from webapp.domain.notices import CLAIM, Notice, NoticeState
from webapp.ports import Mailer, MailRefused, MailServerAway

log = logging.getLogger(__name__)


def send_notices(
    session: Session, mailer: Mailer, clock: Clock, going: Going = always, limit: int = 100
) -> int:
    """Send what is due. How many went out, or were kept where no mail server is set.

    A crash between sending and recording sends again, under the same Message-ID. Raises
    `MailServerAway` at the first mail that it is away for: the others are left for the next round.
    """
    due = session.scalars(
        select(Notice.id).where(notices.due(clock.now())).order_by(Notice.next_try_at).limit(limit)
    ).all()
    session.rollback()
    if not mailer.delivers:
        return _keep(session, due, clock.now()) if due else 0

    def send(notice_id: int) -> bool:
        return _send(session, notice_id, mailer, clock)

    return each(session, due, send, "notice", going)


def _send(session: Session, notice_id: int, mailer: Mailer, clock: Clock) -> bool:
    if not _claim(session, notice_id, clock):
        return False
    notice = session.get_one(Notice, notice_id)
    kind, facts, language = notice.kind, dict(notice.facts), notice.language
    recipient, message_id = notice.recipient, notice.message_id
    can_be_stopped = notice.can_be_stopped
    session.rollback()  # no transaction is open while the mail server is waited for
    goes_out = bool(recipient)
    refusal: MailRefused | None = None
    if goes_out:
        try:
            stop_link = mailer.stop_link(notice_id) if can_be_stopped else ""
            letter = mailer.render(kind, {**facts, "stop_link": stop_link}, language)
            mailer.send(letter, [recipient], message_id, stop_link=stop_link)
        except MailRefused as refused:
            refusal = refused
        except Exception as fault:  # a template's fault must not keep the other mails
            log.exception("notice %s could not be sent", notice_id)
            refusal = MailRefused(f"{type(fault).__name__}: {fault}")
    begin_writing(session)
    session.get_one(Notice, notice_id).record(refusal, clock.now(), kept=not goes_out)
    session.commit()
    if isinstance(refusal, MailServerAway):
        raise refusal
    return refusal is None


def _keep(session: Session, notice_ids: Sequence[int], now: datetime) -> int:
    """In the outbox, all in one commit: nothing leaves, so nothing is claimed first."""
    begin_writing(session)
    kept = session.connection().execute(
        update(Notice)
        .where(Notice.id.in_(notice_ids), notices.due(now))
        .values(state=NoticeState.KEPT, tries=Notice.tries + 1, sent_at=now, next_try_at=None)
    )
    session.commit()
    return kept.rowcount


def _claim(session: Session, notice_id: int, clock: Clock) -> bool:
    """By guarded update: a second sender, or a second process, finds no row."""
    now = clock.now()
    begin_writing(session)
    claimed = session.connection().execute(
        update(Notice)
        .where(Notice.id == notice_id, notices.due(now))
        .values(next_try_at=now + CLAIM, tries=Notice.tries + 1)
    )
    session.commit()
    return claimed.rowcount == 1
