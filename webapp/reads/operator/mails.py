"""The operators' outbox: every mail of the installation, and what has become of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import GIVE_UP, Notice, NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.errors import NotFound
from webapp.domain.users.user import User
from webapp.ports import Letter, Mailer
from webapp.reads.notifications.email_labels import NAMES, STATE_NAMES, Shown, shown
from webapp.reads.operator import ZONE
from webapp.reads.operator.mail_filters import Filters, mails

PAGE = 50

DEEDS = {Shown.KEPT: "Send", Shown.GIVEN_UP: "Try again"}
TONES = {Shown.TRIED_AGAIN: "warn", Shown.SENT: "ok", Shown.GIVEN_UP: "bad"}


@dataclass(frozen=True)
class MailLine:
    id: int
    name: str
    """Its kind in plain words."""
    recipient: str
    """Empty where the account has no address for it."""
    when: str
    """It was written."""
    account_id: int | None
    account: str
    person: str
    """Whom it concerns alone, or who is behind it."""
    person_email: str
    state: str
    tone: str
    detail: str
    """Of the state: when, or why."""
    trouble: str
    """What the mail server last said."""
    deed: str
    """What an operator can have done with it: "Try again", "Send", or nothing."""


@dataclass(frozen=True)
class MailsScreen:
    rows: tuple[MailLine, ...]
    filters: Filters
    states: tuple[tuple[str, str], ...]
    """To choose from, as the kinds."""
    kinds: tuple[tuple[str, str], ...]
    older: int | None
    """`before` of the next page; None at the end."""
    newer: bool
    """This is not the first page."""

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
    """What will become of it by itself, or that nothing will."""


def read_mails(
    session: Session,
    now: datetime,
    mailer: Mailer,
    filters: Filters,
    *,
    before: int | None = None,
) -> MailsScreen:
    """`before` is the id that the page before this one ended with."""
    last = session.get(Notice, before) if before is not None else None
    found = session.scalars(mails(session, filters, last).limit(PAGE + 1)).all()
    rows = found[:PAGE]
    whose = _Whose.read(session, rows)
    return MailsScreen(
        rows=tuple(_line(whose, notice, now, mailer) for notice in rows),
        filters=filters,
        states=tuple(STATE_NAMES.items()),
        kinds=tuple(NAMES.items()),
        older=rows[-1].id if len(found) > PAGE else None,
        newer=last is not None,
    )


def read_mail(
    session: Session, notice_id: int, now: datetime, mailer: Mailer, letters: Mailer
) -> MailPage:
    """`letters` renders what staff may read, `mailer` is what it would go out by.

    Raises `NotFound`.
    """
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise NotFound("That mail")
    return MailPage(
        line=_line(_Whose.read(session, [notice]), notice, now, mailer),
        letter=letters.render(notice.kind, notice.facts, notice.language),
        message_id=notice.message_id,
        tries=notice.tries,
        next=_next(notice, now, mailer),
    )


@dataclass(frozen=True)
class _Whose:
    """What a page's rows name, asked for once and not once a row."""

    accounts: dict[int, str]
    people: dict[int, tuple[str, str]]

    @classmethod
    def read(cls, session: Session, notices: Sequence[Notice]) -> "_Whose":
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


def _line(whose: _Whose, notice: Notice, now: datetime, mailer: Mailer) -> MailLine:
    person, email = whose.people.get(notice.user_id or 0, ("", ""))
    state = shown(notice)
    return MailLine(
        id=notice.id,
        name=NAMES[NoticeKind(notice.kind)],
        recipient=notice.recipient,
        when=datetimes.since(notice.created_at, ZONE, now),
        account_id=notice.account_id,
        account=whose.accounts.get(notice.account_id or 0, ""),
        person=person,
        person_email=email,
        state=STATE_NAMES[state],
        tone=TONES.get(state, ""),
        detail=_detail(notice, state, now),
        trouble=notice.last_error if state in (Shown.TRIED_AGAIN, Shown.GIVEN_UP) else "",
        deed=DEEDS[state] if notice.can_go_again(delivers=mailer.delivers) else "",
    )


def _detail(notice: Notice, state: Shown, now: datetime) -> str:
    if state is Shown.TRIED_AGAIN and notice.next_try_at is not None:
        return f"Next try {datetimes.within(datetimes.since(notice.next_try_at, ZONE, now))}"
    if state is Shown.SENT and notice.sent_at is not None:
        return datetimes.since(notice.sent_at, ZONE, now)
    if state is Shown.KEPT:
        return "No mail server was set" if notice.recipient else "No address for it"
    return ""


def _next(notice: Notice, now: datetime, mailer: Mailer) -> str:
    state = shown(notice)
    if state in (Shown.WAITING, Shown.TRIED_AGAIN):
        end = notice.created_at + GIVE_UP
        until = datetimes.within(datetimes.since(end, ZONE, now))
        tried = f"is tried until {until}" if end > now else "is given up again"
        return f"It goes out by itself. If it is refused, it {tried}."
    if state is Shown.SENT:
        return (
            "The mail server has taken it, so it does not go out again: nobody gets a mail twice. "
            "If it has not arrived, ask the mail server what became of its Message-ID."
        )
    if not notice.recipient:
        return "The account had no address for mails of this kind. Nothing goes out."
    if state is Shown.KEPT and not mailer.delivers:
        return "No mail server is set. Once there is one, it can be sent from here."
    return (
        "It goes out under the Message-ID it has, so that a mail program that has it after all "
        "shows it once. It says what was true when it was written, and its link may have run out."
    )
