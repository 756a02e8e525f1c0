"""Emails of the outbox for programs, with their text as it was sent."""

from pydantic import Field
from sqlalchemy import or_, select

from webapp.domain.notifications.outbox import Notice, NoticeKind, NoticeState
from webapp.domain.shared.context import Context
from webapp.domain.users.operators import Operator
from webapp.domain.users.user import Membership
from webapp.ports import Mailer
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import Id, Instant, NextCursor, Open, Record


class EmailRecord(Record):
    """An email to a customer."""

    id: Id
    account: int | None = Field(
        description="The account's id; null for an email about a person's own sign-in."
    )
    kind: Open[NoticeKind] = Field(description="What the email is about.")
    to: str = Field(description="The address; empty if the account has none.")
    subject: str = Field(description="The subject.")
    text: str = Field(description="The text, with its links.")
    state: Open[NoticeState] = Field(
        description="`owed` (not sent yet), `sent`, `kept` (no mail server is configured) or "
        "`failed`."
    )
    created_at: Instant = Field(description="When the email was written.")


class EmailPage(Record):
    """A page of emails, newest first."""

    emails: tuple[EmailRecord, ...] = Field(description="The emails.")
    next_cursor: NextCursor


def read_emails(
    ctx: Context,
    renderer: Mailer,
    account_id: int | None,
    to: str | None,
    cursor: int | None,
    limit: int,
) -> EmailPage:
    """Return the emails of an account and its members, or to an address, or all.

    Staff's own emails are left out: a link in one would sign a customer's program in as staff.
    """
    of_staff = Notice.user_id.in_(select(Operator.user_id))
    query = select(Notice).where(or_(Notice.user_id.is_(None), ~of_staff))
    if account_id is not None:
        members = select(Membership.user_id).where(Membership.account_id == account_id)
        query = query.where(or_(Notice.account_id == account_id, Notice.user_id.in_(members)))
    if to is not None:
        query = query.where(Notice.recipient == to.strip().lower())
    found, next_cursor = page_of(ctx, query, Notice.id, cursor, limit)
    return EmailPage(
        emails=tuple(_record(notice, renderer) for notice in found), next_cursor=next_cursor
    )


def _record(notice: Notice, renderer: Mailer) -> EmailRecord:
    letter = renderer.render(notice.kind, notice.facts, notice.language)
    return EmailRecord(
        id=notice.id,
        account=notice.account_id,
        kind=notice.kind,
        to=notice.recipient,
        subject=letter.subject,
        text=letter.text,
        state=notice.state,
        created_at=notice.created_at,
    )
