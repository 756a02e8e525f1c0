"""The operators' outbox: every email of the installation with its delivery state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import GIVE_UP, NOTICE_NAMES, Notice, NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.users.user import User
from webapp.ports import Letter, Mailer
from webapp.reads.notifications.email_labels import STATE_NAMES, Shown, shown, state_label
from webapp.reads.operator import ZONE
from webapp.reads.operator.mail_filters import Filters, mails

PAGE = 50

ACTIONS = {Shown.KEPT: "Send", Shown.GIVEN_UP: "Try again"}
TONES = {Shown.TRIED_AGAIN: "warn", Shown.SENT: "ok", Shown.GIVEN_UP: "bad"}


@dataclass(frozen=True)
class MailLine:
    id: int
    name: str
    """Label of its kind."""
    recipient: str
    """Empty if the account has no address for it."""
    when: str
    """Creation time."""
    account_id: int | None
    account: str
    person: str
    """The user that the email belongs to; empty for an account's emails."""
    person_email: str
    state: str
    tone: str
    detail: str
    """Time or cause of the state."""
    trouble: str
    """The mail server's last error."""
    action: str
    """Label of the operator's action, "Try again" or "Send"; empty if there is none."""


@dataclass(frozen=True)
class MailsScreen:
    rows: tuple[MailLine, ...]
    filters: Filters
    states: tuple[tuple[str, str], ...]
    """Filter options; `kinds` likewise."""
    kinds: tuple[tuple[str, str], ...]
    older: int | None
    """The next page's `before`; None on the last page."""
    newer: bool
    """Whether this is not the first page."""

    @property
    def query(self) -> dict[str, str]:
        return self.filters.query


@dataclass(frozen=True)
class MailPage:
    line: MailLine
    letter: Letter
    message_id: str
    tries: int
    next: str
    """What happens next with the email."""


def read_mails(
    ctx: Context, mailer: Mailer, filters: Filters, *, before: int | None = None
) -> MailsScreen:
    """Read one page; `before` is the last id of the previous page."""
    last = ctx.session.get(Notice, before) if before is not None else None
    found = ctx.session.scalars(mails(ctx, filters, last).limit(PAGE + 1)).all()
    rows = found[:PAGE]
    related = _Related.read(ctx.session, rows)
    return MailsScreen(
        rows=tuple(_line(related, notice, ctx.now, mailer) for notice in rows),
        filters=filters,
        states=tuple(STATE_NAMES.items()),
        kinds=tuple(NOTICE_NAMES.items()),
        older=rows[-1].id if len(found) > PAGE else None,
        newer=last is not None,
    )


def read_mail(ctx: Context, notice_id: int, mailer: Mailer, letters: Mailer) -> MailPage:
    """Read one email: `letters` renders it for operators, `mailer` would send it.

    Raises `NotFound`.
    """
    notice = ctx.session.get(Notice, notice_id)
    if notice is None:
        raise NotFound("That email")
    return MailPage(
        line=_line(_Related.read(ctx.session, [notice]), notice, ctx.now, mailer),
        letter=letters.render(notice.kind, notice.facts, notice.language),
        message_id=notice.message_id,
        tries=notice.tries,
        next=_next(notice, ctx.now, mailer),
    )


@dataclass(frozen=True)
class _Related:
    """Accounts and users of a page's rows, loaded in one query each."""

    accounts: dict[int, str]
    people: dict[int, tuple[str, str]]

    @classmethod
    def read(cls, session: Session, notices: Sequence[Notice]) -> "_Related":
        accounts = select(Account.id, Account.name).where(
            Account.id.in_({notice.account_id for notice in notices} - {None})
        )
        people = select(User.id, User.name, User.email).where(
            User.id.in_({notice.user_id for notice in notices} - {None})
        )
        return cls(
            accounts={row.id: row.name for row in session.execute(accounts)},
            people={row.id: (row.name, row.email) for row in session.execute(people)},
        )


def _line(related: _Related, notice: Notice, now: datetime, mailer: Mailer) -> MailLine:
    person, email = related.people.get(notice.user_id or 0, ("", ""))
    state = shown(notice)
    return MailLine(
        id=notice.id,
        name=NOTICE_NAMES[NoticeKind(notice.kind)],
        recipient=notice.recipient,
        when=datetimes.since(notice.created_at, ZONE, now),
        account_id=notice.account_id,
        account=related.accounts.get(notice.account_id or 0, ""),
        person=person,
        person_email=email,
        state=state_label(notice),
        tone=TONES.get(state, ""),
        detail=_detail(notice, state, now),
        trouble=notice.last_error if state in (Shown.TRIED_AGAIN, Shown.GIVEN_UP) else "",
        action=ACTIONS[state] if notice.can_go_again(delivers=mailer.delivers) else "",
    )


def _detail(notice: Notice, state: Shown, now: datetime) -> str:
    if state is Shown.TRIED_AGAIN and notice.next_try_at is not None:
        return f"Next try {datetimes.within(datetimes.since(notice.next_try_at, ZONE, now))}"
    if state is Shown.SENT and notice.sent_at is not None:
        return datetimes.since(notice.sent_at, ZONE, now)

    return ""


def _next(notice: Notice, now: datetime, mailer: Mailer) -> str:
    state = shown(notice)
    if state in (Shown.WAITING, Shown.TRIED_AGAIN):
        end = notice.created_at + GIVE_UP
        until = datetimes.within(datetimes.since(end, ZONE, now))
        retried = f"is retried until {until}" if end > now else "is not retried"
        return f"The email is sent automatically. If the mail server refuses it, it {retried}."
    if state is Shown.SENT:
        return (
            "The mail server accepted this email, so it is not sent again. If it has not arrived, "
            "look up its Message-ID in the mail server’s log."
        )
    if not notice.recipient:
        return "The account has no address for emails of this kind. Nothing is sent."
    if state is Shown.KEPT and not mailer.delivers:
        return "No mail server is configured. Once there is one, you can send the email here."
    return (
        "The email is sent with its original Message-ID, so a second copy is recognised as the "
        "same email. Its text dates from when it was written, and its link may have expired."
    )
