"""The mails that an account was owed, as the outbox shows them."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from webapp.domain import moments
from webapp.domain.accounts import Account
from webapp.domain.errors import NotFound
from webapp.domain.notices import Notice
from webapp.ports import Letter, Mailer
from webapp.reads.mail_words import STATE_NAMES, shown


@dataclass(frozen=True)
class MailRow:
    id: int
    letter: Letter
    recipient: str
    """Empty where the account has no billing address."""
    at: str
    state: str
    trouble: str
    """What the mail server last said, if it refused."""


def last(
    session: Session, account: Account, user_id: int, mailer: Mailer, count: int
) -> list[MailRow]:
    """The account's, and those that are this person's alone; the newest first."""
    notices = session.scalars(
        select(Notice).where(_readable(account, user_id)).order_by(Notice.id.desc()).limit(count)
    )
    return [_row(notice, account, mailer) for notice in notices]


def find(
    session: Session, account: Account, user_id: int, mailer: Mailer, notice_id: int
) -> MailRow:
    """Raises `NotFound`, also for another account's mail, or another person's."""
    mine = _readable(account, user_id)
    notice = session.scalar(select(Notice).where(Notice.id == notice_id, mine))
    if notice is None:
        raise NotFound("That mail")
    return _row(notice, account, mailer)


def _readable(account: Account, user_id: int) -> ColumnElement[bool]:
    return or_(Notice.account_id == account.id, Notice.user_id == user_id)


def _row(notice: Notice, account: Account, mailer: Mailer) -> MailRow:
    return MailRow(
        id=notice.id,
        letter=mailer.render(notice.kind, notice.facts, notice.language),
        recipient=notice.recipient,
        at=moments.when(notice.created_at, account.time_zone, notice.created_at),
        state=STATE_NAMES[shown(notice)],
        trouble=notice.last_error,
    )
