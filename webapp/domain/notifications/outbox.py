"""The outbox of emails. An email is written in the transaction of the change that causes it."""

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
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.database.statements import sql_literal
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.topics import Topic
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import Language
from webapp.domain.users.user import Membership, User
from webapp.ports import MailRefused, MailServerUnavailable

CLAIM = timedelta(minutes=5)
"""After this time a sender is presumed dead: longer than a dozen replies of a mail server, each
within the mailer's timeout."""

BACK_OFF = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
"""Pauses between attempts to send an email; the last one is repeated."""

REST = timedelta(minutes=1)
"""Pause before the next attempt if the mail server was unavailable."""

GIVE_UP = timedelta(days=3)
"""Age at which an email that cannot be sent becomes FAILED."""


class NoticeKind(StrEnum):
    """Kinds of email. The templates of a kind are in `templates/email/<kind>/`."""

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
    ACCOUNT_STATE = "account_state"


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
    NoticeKind.ACCOUNT_STATE: Topic.FAILURES,
    NoticeKind.WIRE_REQUESTED: Topic.WIRES,
    NoticeKind.WIRE_PROOF: Topic.WIRES,
    NoticeKind.WIRE_COMPLETED: Topic.WIRES,
    NoticeKind.WIRE_REJECTED: Topic.WIRES,
    NoticeKind.WIRE_CANCELLED: Topic.WIRES,
}
"""Recipients are chosen by topic. An email of a kind without a topic is personal (P2)."""


NOTICE_NAMES = {
    NoticeKind.LOW_BALANCE: "Low balance",
    NoticeKind.RECEIPT: "Receipt",
    NoticeKind.TAKEN_BACK: "Refund or dispute",
    NoticeKind.METHOD_SUSPENDED: "A payment method was suspended",
    NoticeKind.ALL_FAILED: "All payment methods failed",
    NoticeKind.AUTHENTICATION_REQUIRED: "Your bank asks for confirmation",
    NoticeKind.LIMIT_REACHED: "A limit was reached",
    NoticeKind.PAUSED: "Automatic refills are paused",
    NoticeKind.REFILL_BLOCKED: "A refill cannot be charged",
    NoticeKind.LIMITS_SET: "Limits were set for automatic refills",
    NoticeKind.ACCOUNT_STATE: "The account was suspended or closed",
    NoticeKind.STILL_UNKNOWN: "An outcome is still unknown",
    NoticeKind.CARD_EXPIRING: "A card expires",
    NoticeKind.WEBHOOK_ENDED: "A webhook was switched off",
    NoticeKind.WIRE_REQUESTED: "Wire transfer requested",
    NoticeKind.WIRE_PROOF: "Proof of payment received",
    NoticeKind.WIRE_COMPLETED: "Wire transfer completed",
    NoticeKind.WIRE_REJECTED: "Wire transfer rejected",
    NoticeKind.WIRE_CANCELLED: "Wire transfer cancelled",
    NoticeKind.CONFIRM_EMAIL: "Confirm an email address",
    NoticeKind.RESET_PASSWORD: "Choose a new password",
    NoticeKind.PASSWORD_CHANGED: "Password changed",
    NoticeKind.EMAIL_CHANGED: "Email address changed",
    NoticeKind.SECURITY_CHANGED: "Sign-in changed",
    NoticeKind.INVITATION: "Invitation",
    NoticeKind.OWNERSHIP: "Account handed over",
}
"""Emails of an account's topics, and personal emails."""


class Urgency(IntEnum):
    """Sending order of the emails that are due, lowest first."""

    AWAITED = 0
    """A person is waiting for the email, or it is about their sign-in."""
    ALERT = 1
    """A balance or a payment needs attention."""
    RECORD = 2
    """A record of what has happened."""


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
    """Not sent because no mail server is configured; can be read in the outbox."""
    FAILED = "failed"


class Notice(Base):
    __tablename__ = "notice"
    __table_args__ = (
        # One email per subject and address.
        Index(
            "uq_notice_account_id_kind_about_recipient",
            "account_id",
            "kind",
            "about",
            "recipient",
            unique=True,
        ),
        # The sending order. SQLite uses the index for ordering only if it begins with the state,
        # although the state is the same in all indexed rows.
        partial_index(
            "ix_notice_state_urgency_next_try_at",
            "state",
            "urgency",
            "next_try_at",
            where="state = 'owed'",
        ),
        Index("ix_notice_account_id_id", "account_id", "id"),
        Index("ix_notice_user_id_id", "user_id", "id"),
        # The operators' list, newest first, by each of its filters.
        Index("ix_notice_created_at_id", "created_at", "id"),
        Index("ix_notice_state_created_at_id", "state", "created_at", "id"),
        Index("ix_notice_kind_created_at_id", "kind", "created_at", "id"),
        Index("ix_notice_kind_state_created_at_id", "kind", "state", "created_at", "id"),
        Index("ix_notice_recipient", "recipient"),
        # From an event and from a payment to its emails (E2).
        partial_index("ix_notice_event_id", "event_id", where="event_id IS NOT NULL"),
        partial_index("ix_notice_attempt_id", "attempt_id", where="attempt_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """The account; NULL for personal emails."""
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    """The recipient of a personal email, which other members of the account cannot read."""
    kind: Mapped[NoticeKind] = mapped_column(String(30))
    recipient: Mapped[str] = mapped_column(String(254))
    """One row per address, so that a bounce does not block others; empty if there is no address."""
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    """Template variables, as of the time of the event."""
    language: Mapped[Language] = mapped_column(String(2))
    """Language of `facts` and of the email, independent of later changes of the account."""
    about: Mapped[str] = mapped_column(String(80))
    """Deduplication key, such as "attempt 12": one email per kind, key and address."""
    message_id: Mapped[str] = mapped_column(String(120))
    state: Mapped[NoticeState] = mapped_column(String(10), default=NoticeState.OWED)
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("event.id"))
    """The event that the email tells of; NULL for emails that are older than events."""
    urgency: Mapped[Urgency] = mapped_column(
        SmallInteger,
        default=lambda row: urgency_of(row.get_current_parameters()["kind"]),
    )
    """Urgency of the kind, stored for the index of the sending order."""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    @property
    def can_be_stopped(self) -> bool:
        """Whether the email has an unsubscribe link. False if its topic requires a recipient."""
        topic = TOPICS.get(self.kind)
        return topic is not None and not topic.must_reach_somebody

    def can_go_again(self, *, delivers: bool) -> bool:
        """Whether an operator can send the email again: it failed, or was kept and has a recipient.

        An email that a mail server has accepted is not sent again.
        """
        kept = self.state == NoticeState.KEPT and delivers and bool(self.recipient)
        return kept or self.state == NoticeState.FAILED

    def go_again(self, now: datetime) -> None:
        self.state, self.tries = NoticeState.OWED, 0
        self.next_try_at, self.sent_at = now, None

    def record(self, refusal: MailRefused | None, now: datetime, *, kept: bool) -> None:
        """Record the result of a send. A refused email is sent again, until `GIVE_UP`."""
        if refusal is None:
            self.state = NoticeState.KEPT if kept else NoticeState.SENT
            self.sent_at, self.next_try_at = now, None
            return
        if isinstance(refusal, MailServerUnavailable):
            self.tries -= 1  # server down, not this email's fault: do not back off
            pause = REST
        else:
            pause = BACK_OFF[min(self.tries, len(BACK_OFF)) - 1]
        self.last_error = (str(refusal) or "refused")[:500]
        if now + pause > self.created_at + GIVE_UP:
            self.state, self.next_try_at = NoticeState.FAILED, None
        else:
            self.next_try_at = now + pause


def due(now: datetime) -> ColumnElement[bool]:
    """Return the condition for emails that are due, also after the clock was set back.

    An email that was never tried is always due. A time farther ahead than the longest back-off
    and a claim was written before the clock was set back, so that email is due as well.
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
"""Built once, because it runs for each email."""


def is_any_due(ctx: Context) -> bool:
    return bool(ctx.session.scalar(select(exists().where(due(ctx.now)))))


def next_due(ctx: Context) -> Notice | None:
    """Return the next email to send: the most urgent and, among those, the earliest due.

    The row is locked until the caller commits; on PostgreSQL other senders skip it meanwhile.
    """
    return ctx.session.scalar(_NEXT, _at(ctx.now))


def is_owed(session: Session, account_id: int, kind: NoticeKind, about: str) -> bool:
    """Return whether the outbox already has an email of this kind and subject, in any state."""
    enqueued = exists().where(
        Notice.account_id == account_id, Notice.kind == kind, Notice.about == about
    )
    return bool(session.scalar(select(enqueued)))


def enqueue(
    ctx: Context,
    account: Account,
    kind: NoticeKind,
    about: str,
    facts: Mapping[str, object],
    event: EventRow,
) -> None:
    """Enqueue an email to each address that receives its topic, once per `about` (N3).

    Sentences in `facts` must be in the account's language.
    """
    if is_owed(ctx.session, account.id, kind, about):
        return
    for recipient in account.addresses_for(TOPICS[kind]) or [""]:
        values = {"account_name": account.name, **facts}
        notice = _new(ctx, event, kind, recipient, about, values, account.translator.language)
        notice.account_id, notice.attempt_id = account.id, event.attempt_id
    ctx.session.flush()


def enqueue_personal(
    ctx: Context,
    user: User | None,
    address: str,
    kind: NoticeKind,
    facts: Mapping[str, object],
    language: Language,
    event: EventRow,
) -> None:
    """Enqueue a personal email, by default to the user's address.

    Without a user, members of the event's account can also read it in the outbox.
    `language`: the language of `facts`.
    """
    recipient = address or (user.email if user else "")
    notice = _new(ctx, event, kind, recipient, token_hex(8), facts, language)
    notice.user_id = user.id if user else None
    notice.account_id = None if user else event.account_id
    ctx.session.flush()


def accounts_of(session: Session, notice: Notice) -> list[int]:
    """Return the accounts in whose audit logs actions on the email are recorded.

    Its own account, or all accounts of its person.
    """
    if notice.account_id is not None:
        return [notice.account_id]
    theirs = select(Membership.account_id).where(Membership.user_id == notice.user_id).distinct()
    return list(session.scalars(theirs))


def last_enqueued(session: Session, user_id: int, kind: NoticeKind) -> datetime | None:
    """Return when an email of this kind was last enqueued for the person."""
    mine = select(Notice.created_at).where(Notice.user_id == user_id, Notice.kind == kind)
    return session.scalar(mine.order_by(Notice.id.desc()).limit(1))


def _new(
    ctx: Context,
    event: EventRow,
    kind: NoticeKind,
    recipient: str,
    about: str,
    facts: Mapping[str, object],
    language: Language,
) -> Notice:
    notice = Notice(
        kind=kind,
        recipient=recipient,
        facts=dict(facts),
        language=language,
        about=about,
        message_id=f"{token_hex(16)}@ballast",
        next_try_at=ctx.now,
        created_at=ctx.now,
        event_id=event.id,
    )
    ctx.session.add(notice)
    return notice


def last_sent(session: Session, account_id: int, kinds: Collection[NoticeKind]) -> datetime | None:
    """Return when the newest sent email of these kinds was created; None if there is none."""
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
