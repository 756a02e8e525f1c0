"""The outbox: mails that are owed. A change and the mail it owes are rows of one transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from secrets import token_hex

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    and_,
    bindparam,
    exists,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, sql_literal
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.topics import Topic
from webapp.domain.shared.i18n import Language
from webapp.domain.users.user import Membership
from webapp.ports import MailRefused, MailServerUnavailable

CLAIM = timedelta(minutes=5)
"""A sender that has died is believed dead after this time: longer than the dozen answers of a mail
server, each within the mailer's time-out."""

BACK_OFF = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
"""Between tries; the last step is repeated."""

REST = timedelta(minutes=1)
"""Before a mail is tried again that the mail server has not even looked at."""

GIVE_UP = timedelta(days=3)


class NoticeKind(StrEnum):
    """Each has its templates in `templates/email/<kind>/`."""

    LOW_BALANCE = "low_balance"
    RECEIPT = "receipt"
    METHOD_SUSPENDED = "method_suspended"
    ALL_FAILED = "all_failed"
    LIMIT_REACHED = "limit_reached"
    PAUSED = "paused"
    REFILL_BLOCKED = "refill_blocked"
    STILL_UNKNOWN = "still_unknown"
    WIRE_REQUESTED = "wire_requested"
    WIRE_PROOF = "wire_proof"
    WIRE_COMPLETED = "wire_completed"
    WIRE_REJECTED = "wire_rejected"
    WIRE_CANCELLED = "wire_cancelled"
    AUTHENTICATION_REQUIRED = "authentication_required"
    CARD_EXPIRING = "card_expiring"
    CONFIRM_EMAIL = "confirm_email"
    RESET_PASSWORD = "reset_password"
    PASSWORD_CHANGED = "password_changed"
    EMAIL_CHANGED = "email_changed"
    SECURITY_CHANGED = "security_changed"
    INVITATION = "invitation"
    OWNERSHIP = "ownership"
    TAKEN_BACK = "taken_back"
    WEBHOOK_ENDED = "webhook_ended"
    LIMITS_SET = "limits_set"


TOPICS = {
    NoticeKind.LOW_BALANCE: Topic.LOW_BALANCE,
    NoticeKind.RECEIPT: Topic.RECEIPTS,
    NoticeKind.TAKEN_BACK: Topic.RECEIPTS,
    NoticeKind.METHOD_SUSPENDED: Topic.FAILURES,
    NoticeKind.ALL_FAILED: Topic.FAILURES,
    NoticeKind.LIMIT_REACHED: Topic.FAILURES,
    NoticeKind.PAUSED: Topic.FAILURES,
    NoticeKind.REFILL_BLOCKED: Topic.FAILURES,
    NoticeKind.STILL_UNKNOWN: Topic.FAILURES,
    NoticeKind.AUTHENTICATION_REQUIRED: Topic.FAILURES,
    NoticeKind.CARD_EXPIRING: Topic.CARDS,
    NoticeKind.WEBHOOK_ENDED: Topic.FAILURES,
    NoticeKind.LIMITS_SET: Topic.FAILURES,
    NoticeKind.WIRE_REQUESTED: Topic.WIRES,
    NoticeKind.WIRE_PROOF: Topic.WIRES,
    NoticeKind.WIRE_COMPLETED: Topic.WIRES,
    NoticeKind.WIRE_REJECTED: Topic.WIRES,
    NoticeKind.WIRE_CANCELLED: Topic.WIRES,
}
"""Who wants which is chosen by topic. A mail without one is a person's own (P2)."""


class Urgency(IntEnum):
    """Which of the emails that are due goes out first: the lowest."""

    AWAITED = 0
    """A person waits for it to go on, or it concerns their own sign-in."""
    ALERT = 1
    """It tells that a balance or a payment needs attention."""
    RECORD = 2
    """It tells what has happened."""


def urgency_of(kind: NoticeKind) -> Urgency:
    topic = TOPICS.get(kind)
    if topic is None or kind == NoticeKind.AUTHENTICATION_REQUIRED:
        return Urgency.AWAITED
    if topic in (Topic.FAILURES, Topic.LOW_BALANCE):
        return Urgency.ALERT
    return Urgency.RECORD


class NoticeState(StrEnum):
    OWED = "owed"
    SENT = "sent"
    KEPT = "kept"
    """There is no mail server: it is read in the outbox."""
    FAILED = "failed"


class Notice(Base):
    __tablename__ = "notice"
    __table_args__ = (
        # No mail twice: one for each thing it is about, and each address.
        Index(
            "uq_notice_account_id_kind_about_recipient",
            "account_id",
            "kind",
            "about",
            "recipient",
            unique=True,
        ),
        # The order in which emails go out. SQLite uses it for that order only if it begins with the
        # state, though that is the same in all of its rows.
        Index(
            "ix_notice_state_urgency_next_try_at",
            "state",
            "urgency",
            "next_try_at",
            sqlite_where=text("state = 'owed'"),
            postgresql_where=text("state = 'owed'"),
        ),
        Index("ix_notice_account_id_id", "account_id", "id"),
        Index("ix_notice_user_id_id", "user_id", "id"),
        # The operators' list: newest first, whatever it is filtered by.
        Index("ix_notice_created_at_id", "created_at", "id"),
        Index("ix_notice_state_created_at_id", "state", "created_at", "id"),
        Index("ix_notice_kind_created_at_id", "kind", "created_at", "id"),
        Index("ix_notice_kind_state_created_at_id", "kind", "state", "created_at", "id"),
        Index("ix_notice_recipient", "recipient"),
        # From a payment to its mails (E2).
        Index(
            "ix_notice_attempt_id",
            "attempt_id",
            sqlite_where=text("attempt_id IS NOT NULL"),
            postgresql_where=text("attempt_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """Whose matter it is; none for what concerns a person alone."""
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    """The person whom it concerns, and nobody else in their accounts."""
    kind: Mapped[NoticeKind] = mapped_column(String(30))
    recipient: Mapped[str] = mapped_column(String(254))
    """One address a row, so that a bad one keeps no other from its mail; empty without any."""
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    """What its templates say, frozen as it was when it happened."""
    language: Mapped[Language] = mapped_column(String(2))
    """Of its facts, and so of the whole mail, whatever the account chooses later."""
    about: Mapped[str] = mapped_column(String(80))
    """What it is about, such as "attempt 12": told once to each address."""
    message_id: Mapped[str] = mapped_column(String(120))
    state: Mapped[NoticeState] = mapped_column(String(10), default=NoticeState.OWED)
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    urgency: Mapped[Urgency] = mapped_column(
        SmallInteger,
        default=lambda row: urgency_of(row.get_current_parameters()["kind"]),
    )
    """That of its kind, stored so that an index holds the order of sending."""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    @property
    def can_be_stopped(self) -> bool:
        """By a link in the mail itself: not what must reach somebody."""
        topic = TOPICS.get(self.kind)
        return topic is not None and not topic.must_reach_somebody

    def can_go_again(self, *, delivers: bool) -> bool:
        """Given up, or kept while nothing was delivered. What a server took goes out once."""
        kept = self.state == NoticeState.KEPT and delivers and bool(self.recipient)
        return kept or self.state == NoticeState.FAILED

    def go_again(self, now: datetime) -> None:
        self.state, self.tries = NoticeState.OWED, 0
        self.next_try_at, self.sent_at = now, None

    def record(self, refusal: MailRefused | None, now: datetime, *, kept: bool) -> None:
        """How a try has ended. A refused mail is tried again, until `GIVE_UP`."""
        if refusal is None:
            self.state = NoticeState.KEPT if kept else NoticeState.SENT
            self.sent_at, self.next_try_at = now, None
            return
        if isinstance(refusal, MailServerUnavailable):
            self.tries -= 1  # it was none of this mail: the pauses do not grow
            pause = REST
        else:
            pause = BACK_OFF[min(self.tries, len(BACK_OFF)) - 1]
        self.last_error = (str(refusal) or "refused")[:500]
        if now + pause > self.created_at + GIVE_UP:
            self.state, self.next_try_at = NoticeState.FAILED, None
        else:
            self.next_try_at = now + pause


def due(now: datetime) -> ColumnElement[bool]:
    """Whose time has come. A clock that is set back may not keep a mail waiting for as long.

    One that was never tried is due from the start, and none is put off for longer than the last
    step and a claim.
    """
    return _due(**_at(now))


def _at(now: datetime) -> dict[str, datetime]:
    return {"now": now, "too_late": now + BACK_OFF[-1] + CLAIM}


def _due(
    now: datetime | BindParameter[datetime], too_late: datetime | BindParameter[datetime]
) -> ColumnElement[bool]:
    return and_(
        Notice.state == sql_literal(NoticeState.OWED),
        or_(
            Notice.next_try_at <= now,
            Notice.next_try_at == Notice.created_at,
            Notice.next_try_at > too_late,
        ),
    )


_NEXT = (
    select(Notice)
    .where(_due(bindparam("now"), bindparam("too_late")))
    .order_by(Notice.urgency, Notice.next_try_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
"""Made once: it is asked for each email."""


def is_any_due(session: Session, now: datetime) -> bool:
    return bool(session.scalar(select(exists().where(due(now)))))


def next_due(session: Session, now: datetime) -> Notice | None:
    """The email to send next: the most urgent, and of those the one that has waited longest.

    It is locked until the caller commits; on PostgreSQL another sender passes it by meanwhile.
    """
    return session.scalar(_NEXT, _at(now))


def is_owed(session: Session, account_id: int, kind: NoticeKind, about: str) -> bool:
    """Whether this was, or will be, told already."""
    told = exists().where(
        Notice.account_id == account_id, Notice.kind == kind, Notice.about == about
    )
    return bool(session.scalar(select(told)))


def enqueue(
    session: Session,
    account: Account,
    kind: NoticeKind,
    about: str,
    facts: Mapping[str, object],
    now: datetime,
    *,
    attempt_id: int | None = None,
) -> bool:
    """Owe each address that wants it a mail, once for what it is `about` (N3).

    The sentences among its `facts` are in the account's language.
    """
    if is_owed(session, account.id, kind, about):
        return False
    for recipient in account.addresses_for(TOPICS[kind]) or [""]:
        told = {"account_name": account.name, **facts}
        notice = _new(kind, recipient, about, told, account.translator.language, now)
        notice.account_id, notice.attempt_id = account.id, attempt_id
        session.add(notice)
    session.flush()
    return True


def enqueue_personal(
    session: Session,
    user_id: int | None,
    recipient: str,
    kind: NoticeKind,
    facts: Mapping[str, object],
    language: Language,
    now: datetime,
    *,
    account_id: int | None = None,
) -> None:
    """Owe a person a mail that is theirs alone, at this address; each time anew.

    `language`: that of its `facts`.
    `account_id`: it is this account's matter as well, whose people may read it in the outbox.
    """
    notice = _new(kind, recipient, token_hex(8), facts, language, now)
    notice.user_id, notice.account_id = user_id, account_id
    session.add(notice)
    session.flush()


def accounts_of(session: Session, notice: Notice) -> list[int]:
    """In whose audit logs stands what is done with it: its account, or all of its person's."""
    if notice.account_id is not None:
        return [notice.account_id]
    theirs = select(Membership.account_id).where(Membership.user_id == notice.user_id).distinct()
    return list(session.scalars(theirs))


def last_enqueued(session: Session, user_id: int, kind: NoticeKind) -> datetime | None:
    """When the person was last owed a mail of this kind."""
    mine = select(Notice.created_at).where(Notice.user_id == user_id, Notice.kind == kind)
    return session.scalar(mine.order_by(Notice.id.desc()).limit(1))


def _new(
    kind: NoticeKind,
    recipient: str,
    about: str,
    facts: Mapping[str, object],
    language: Language,
    now: datetime,
) -> Notice:
    return Notice(
        kind=kind,
        recipient=recipient,
        facts=dict(facts),
        language=language,
        about=about,
        message_id=f"{token_hex(16)}@ballast",
        next_try_at=now,
        created_at=now,
    )


def last_told(session: Session, account_id: int, kinds: Collection[NoticeKind]) -> datetime | None:
    """When the newest email of one of these kinds was sent; None if none was."""
    return session.scalar(
        select(Notice.created_at)
        .where(
            Notice.account_id == account_id,
            Notice.kind.in_(kinds),
            Notice.state.in_((NoticeState.SENT, NoticeState.KEPT)),
        )
        .order_by(Notice.id.desc())
        .limit(1)
    )
