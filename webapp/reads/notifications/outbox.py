"""The outbox: emails of an account that a member may read."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import TOPICS, Notice
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.users.user import Right
from webapp.ports import Letter, Mailer
from webapp.reads.notifications.email_labels import state_label


@dataclass(frozen=True)
class Reader:
    account: Account
    user_id: int
    rights: Collection[Right]

    @property
    def may_read(self) -> ColumnElement[bool]:
        """The account's emails and the reader's own.

        Personal emails of other members need the right to manage users (P1).
        """
        of_account = Notice.account_id == self.account.id
        if Right.USERS not in self.rights:
            of_account = and_(of_account, Notice.kind.in_(TOPICS))
        return or_(of_account, Notice.user_id == self.user_id)


@dataclass(frozen=True)
class MailRow:
    id: int
    letter: Letter
    recipient: str
    """Empty if the account has no billing address."""
    at: str
    state: str
    trouble: str
    """The mail server's last error."""


def last(ctx: Context, reader: Reader, mailer: Mailer, count: int) -> list[MailRow]:
    """Return the last emails, newest first."""
    newest = select(Notice).where(reader.may_read).order_by(Notice.id.desc()).limit(count)
    return [_row(notice, reader.account, mailer) for notice in ctx.session.scalars(newest)]


def find(ctx: Context, reader: Reader, mailer: Mailer, notice_id: int) -> MailRow:
    """Raises `NotFound`, also for an email that the reader may not see."""
    notice = ctx.session.scalar(select(Notice).where(Notice.id == notice_id, reader.may_read))
    if notice is None:
        raise NotFound("That email")
    return _row(notice, reader.account, mailer)


def _row(notice: Notice, account: Account, mailer: Mailer) -> MailRow:
    return MailRow(
        id=notice.id,
        letter=mailer.render(notice.kind, notice.facts, notice.language),
        recipient=notice.recipient,
        at=datetimes.when(notice.created_at, account.time_zone, notice.created_at),
        state=state_label(notice),
        trouble=notice.last_error,
    )
