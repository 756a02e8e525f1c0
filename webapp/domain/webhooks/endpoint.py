"""Outgoing webhooks: endpoints and the deliveries of events to them.

A delivery is written in the transaction of its cause. Requests are signed as specified by Standard
Webhooks (https://www.standardwebhooks.com), for which libraries exist.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import digest
from secrets import token_bytes
from urllib.parse import urlsplit

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    and_,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.advisory_locks import lock_until_commit
from webapp.database.base import Base, partial_index
from webapp.database.notify import notify_workers
from webapp.database.transactions import begin_writing
from webapp.database.vault import Sealed
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Denied, NotFound
from webapp.domain.shared.public_addresses import PRIVATE, is_in, is_public, literal
from webapp.domain.users.user import Right, not_allowed

PREFIX = "whsec_"

PROVIDER_LOCK = "provider webhook endpoints"
"""Name of the lock that serialises changes of the provider's endpoints."""

MOST = 10
"""Maximum number of endpoints per account, and of the provider."""

URL_LENGTH = 500
EXCERPT_LENGTH = 300

OVERLAP = timedelta(hours=24)
"""Time after a rotation in which requests are also signed with the old secret."""

CLAIM = timedelta(minutes=2)
"""After this time a sender is presumed dead; one request takes far less."""

BACK_OFF = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Pauses between attempts; after the last one, in about three days, the delivery has failed."""

PATIENCE = timedelta(days=5)
"""An endpoint that has failed for this long, without a success, is switched off."""

KEPT = timedelta(days=90)
"""Retention time of deliveries that are not pending."""

AT_ONCE = 1000
"""Maximum number of deliveries deleted in one transaction."""

GONE = 410
"""HTTP status with which a receiver switches its endpoint off."""


class EventKind(StrEnum):
    BALANCE_LOW = "balance.low"
    BALANCE_RECOVERED = "balance.recovered"
    TOP_UP_SUCCEEDED = "top_up.succeeded"
    TOP_UP_FAILED = "top_up.failed"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_ABANDONED = "payment.abandoned"
    METHOD_SUSPENDED = "payment_method.suspended"
    METHOD_RESTORED = "payment_method.restored"
    METHOD_EXPIRING = "payment_method.expiring"
    METHOD_ADDED = "payment_method.added"
    METHOD_REMOVED = "payment_method.removed"
    SETTINGS_CHANGED = "settings.changed"
    BALANCE_EXHAUSTED = "balance.exhausted"
    BALANCE_RESTORED = "balance.restored"
    REFILL_BLOCKED = "refill.blocked"
    USAGE_REJECTED = "usage.rejected"
    USAGE_REVERSED = "usage.reversed"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_UPDATED = "account.updated"
    ACCOUNT_SUSPENDED = "account.suspended"
    ACCOUNT_CLOSED = "account.closed"
    TEST = "test"
    """Sent by the test button to one endpoint, regardless of its chosen events."""


PROVIDER_CHOICES = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
"""Events for the provider's endpoints: those of the customers, and its own (V7)."""

OF_PROVIDER = frozenset(
    {
        EventKind.BALANCE_EXHAUSTED,
        EventKind.BALANCE_RESTORED,
        EventKind.REFILL_BLOCKED,
        EventKind.USAGE_REJECTED,
        EventKind.USAGE_REVERSED,
        EventKind.ACCOUNT_CREATED,
        EventKind.ACCOUNT_UPDATED,
        EventKind.ACCOUNT_SUSPENDED,
        EventKind.ACCOUNT_CLOSED,
    }
)
"""Events that no customer's endpoint receives."""

CHOICES = tuple(kind for kind in PROVIDER_CHOICES if kind not in OF_PROVIDER)
"""Events for a customer's endpoints."""

OF_BALANCE = frozenset({EventKind.BALANCE_LOW, EventKind.BALANCE_RECOVERED})
"""Events that need no billing right; the others contain payments and methods (P1)."""


class Ended(StrEnum):
    """Why an endpoint is off."""

    BY_HAND = "by_hand"
    FAILING = "failing"
    GONE = "gone"


class DeliveryState(StrEnum):
    OWED = "owed"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class EndpointChoice:
    """The properties of an endpoint, as a person enters them."""

    url: str
    name: str
    events: tuple[str, ...]

    def faults(
        self,
        rights: Collection[Right],
        *,
        networks: Collection[str],
        offered: Collection[EventKind] = CHOICES,
    ) -> dict[str, str]:
        """Return an error for each invalid field.

        `networks`: private ones that can be reached; with any, http:// is accepted, too.
        `offered`: see `offered_to`.
        """
        faults: dict[str, str] = {}
        if fault := _fault_of_url(self.url, networks):
            faults["url"] = fault
        if fault := texts.fault(self.name.strip(), texts.NAME_LENGTH):
            faults["name"] = fault
        if not self.events:
            faults["events"] = "Choose at least one"
        elif unknown := [event for event in self.events if event not in PROVIDER_CHOICES]:
            faults["events"] = f"Unknown event {unknown[0][:60]}"
        elif other := [event for event in self.events if event not in offered]:
            faults["events"] = f"Only the provider receives {other[0]}"
        elif Right.BILLING not in rights and not OF_BALANCE.issuperset(self.events):
            faults["events"] = "Only people with access to billing can choose these"
        return faults


class Endpoint(Base):
    __tablename__ = "webhook_endpoint"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    """None: an endpoint of the provider, which receives the events of every account (V7)."""
    url: Mapped[str] = mapped_column(String(URL_LENGTH))
    name: Mapped[str] = mapped_column(String(texts.NAME_LENGTH), default="")
    events: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(Sealed("webhook_endpoint.secret", 80))
    """Signing secret, which cannot be hashed."""
    old_secret: Mapped[str | None] = mapped_column(Sealed("webhook_endpoint.old_secret", 80))
    old_secret_until: Mapped[datetime | None]
    older_secret: Mapped[str | None] = mapped_column(Sealed("webhook_endpoint.older_secret", 80))
    """The secret that was replaced before the last rotation; it signs until its overlap ends."""
    older_secret_until: Mapped[datetime | None]
    ended: Mapped[Ended | None] = mapped_column(String(10))
    ended_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    """Time of the first failure after the last success."""
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def is_on(self) -> bool:
        return self.ended is None and self.removed_at is None

    def choose(self, choice: EndpointChoice) -> None:
        self.url, self.name = choice.url.strip(), choice.name.strip()
        self.events = [kind for kind in PROVIDER_CHOICES if kind in choice.events]

    def rotate(self, now: datetime) -> str:
        """Create a new secret. The last two also sign, each until its own overlap ends."""
        self.older_secret, self.older_secret_until = self.old_secret, self.old_secret_until
        self.old_secret, self.old_secret_until = self.secret, now + OVERLAP
        self.secret = new_secret()
        return self.secret

    def secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign now, newest first."""
        return [self.secret, *(secret for secret, _ in self.overlapping(now))]

    def overlapping(self, now: datetime) -> list[tuple[str, datetime]]:
        """Return the replaced secrets that still sign, newest first, and until when."""
        replaced = (
            (self.old_secret, self.old_secret_until),
            (self.older_secret, self.older_secret_until),
        )
        return [(secret, until) for secret, until in replaced if secret and until and now < until]

    def end(self, why: Ended, now: datetime) -> None:
        if self.ended is None:
            self.ended, self.ended_at = why, now

    def resume(self) -> None:
        self.ended = self.ended_at = self.failing_since = None

    def require_rights(self, rights: Collection[Right]) -> None:
        """Raise `Denied` unless people with these rights may choose the endpoint's events (P1)."""
        if why := self.denial(rights):
            raise Denied(why)

    def denial(self, rights: Collection[Right]) -> str:
        """Return why people with these rights may not manage the endpoint; empty if they may."""
        if Right.BILLING in rights or OF_BALANCE.issuperset(self.events):
            return ""
        return not_allowed(Right.BILLING, "change a webhook with billing events")


class Delivery(Base):
    """The delivery of an event to one endpoint."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("uq_webhook_delivery_event_id_endpoint_id", "event_id", "endpoint_id", unique=True),
        Index("ix_webhook_delivery_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_delivery_created_at", "created_at"),
        partial_index("ix_webhook_delivery_next_try_at", "next_try_at", where="state = 'owed'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoint.id"))
    state: Mapped[DeliveryState] = mapped_column(String(10), default=DeliveryState.OWED)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    last_try_at: Mapped[datetime | None]
    took_ms: Mapped[int | None]
    status: Mapped[int | None]
    """HTTP status of the last response; NULL if there was none."""
    trouble: Mapped[str] = mapped_column(String(EXCERPT_LENGTH), default="")
    """Body of the last error response, or why there was no response."""
    created_at: Mapped[datetime]

    event: Mapped[EventRow] = relationship()
    endpoint: Mapped[Endpoint] = relationship()

    def record(
        self, status: int | None, trouble: str, took_ms: int, now: datetime, started: datetime
    ) -> bool:
        """Record the result of an attempt; returns whether it was delivered."""
        self.status, self.trouble = status, trouble[:EXCERPT_LENGTH]
        self.took_ms, self.last_try_at = took_ms, started
        if status is not None and 200 <= status < 300:
            self.state, self.next_try_at = DeliveryState.DELIVERED, None
            return True
        if self.tries > len(BACK_OFF):
            self.state, self.next_try_at = DeliveryState.FAILED, None
        else:
            self.next_try_at = now + BACK_OFF[max(self.tries, 1) - 1]
        return False

    def send_again(self, now: datetime) -> None:
        self.state, self.tries, self.next_try_at = DeliveryState.OWED, 0, now


def new_secret() -> str:
    return PREFIX + b64encode(token_bytes(32)).decode()


def signature(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature header, with one signature per secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = (b64decode(secret.removeprefix(PREFIX)) for secret in secrets)
    return " ".join(f"v1,{b64encode(digest(key, signed, sha256)).decode()}" for key in keys)


def deliver(ctx: Context, event: EventRow, endpoints: Sequence[Endpoint]) -> list[Delivery]:
    """Enqueue the event for these endpoints, in this transaction."""
    owed = [
        Delivery(event=event, endpoint_id=endpoint.id, next_try_at=ctx.now, created_at=ctx.now)
        for endpoint in endpoints
    ]
    if owed:
        ctx.session.add_all(owed)
        ctx.session.flush()
        notify_workers(ctx.session)
    return owed


def offered_to(account_id: int | None) -> Collection[EventKind]:
    """Return the events that an endpoint of this account, or of the provider, can receive."""
    return PROVIDER_CHOICES if account_id is None else CHOICES


def lock_owner(session: Session, account_id: int | None) -> Account | None:
    """Start a write transaction and lock the account; without one, the provider's endpoints.

    Raises `NotFound`.
    """
    if account_id is not None:
        return Account.locked(session, account_id)
    begin_writing(session)
    lock_until_commit(session, [PROVIDER_LOCK])
    return None


def receiving(session: Session, account_id: int, kind: EventKind) -> Sequence[Endpoint]:
    """Return the account's and the provider's endpoints that are on and chose this event."""
    owned = or_(Endpoint.account_id == account_id, Endpoint.account_id.is_(None))
    is_on = and_(Endpoint.ended.is_(None), Endpoint.removed_at.is_(None))
    found = session.scalars(select(Endpoint).where(owned, is_on).order_by(Endpoint.id))
    return [endpoint for endpoint in found if kind in endpoint.events]


def of_owner(session: Session, account_id: int | None) -> Sequence[Endpoint]:
    """Return the endpoints of an account; without one, of the provider."""
    mine = and_(Endpoint.account_id == account_id, Endpoint.removed_at.is_(None))
    return session.scalars(select(Endpoint).where(mine).order_by(Endpoint.id)).all()


def find(session: Session, account_id: int | None, endpoint_id: int) -> Endpoint:
    """Return an endpoint of the account; without one, of the provider. Raises `NotFound`."""
    endpoint = session.get(Endpoint, endpoint_id, populate_existing=True)
    if endpoint is None or endpoint.account_id != account_id or endpoint.removed_at is not None:
        raise NotFound("The webhook endpoint")
    return endpoint


def find_delivery(session: Session, account_id: int | None, delivery_id: int) -> Delivery:
    """Return a delivery to an endpoint of the account, or of the provider, locked so that it is
    not deleted. Raises `NotFound`.
    """
    delivery = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if delivery is None or delivery.endpoint.account_id != account_id:
        raise NotFound("The delivery")
    if delivery.endpoint.removed_at is not None:
        raise NotFound("The delivery")
    return delivery


def require_room(session: Session, account_id: int | None) -> None:
    """Raise `Conflict` if the account, or the provider, has the maximum number of endpoints."""
    mine = and_(Endpoint.account_id == account_id, Endpoint.removed_at.is_(None))
    if (session.scalar(select(func.count()).select_from(Endpoint).where(mine)) or 0) >= MOST:
        sentence = f"There are already {MOST} webhooks; remove one first."
        raise Conflict(sentence, code="too_many_endpoints")


def delete_old_deliveries(ctx: Context) -> int:
    """Delete old deliveries that are not pending, the oldest first; returns how many."""
    removed = select(Endpoint.id).where(Endpoint.removed_at.is_not(None))
    owed = and_(Delivery.state == DeliveryState.OWED, Delivery.endpoint_id.not_in(removed))
    is_old = and_(Delivery.created_at < ctx.now - KEPT, ~owed)
    query = select(Delivery.id).where(is_old).order_by(Delivery.created_at, Delivery.id)
    old = ctx.session.scalars(query.limit(AT_ONCE)).all()
    # A delivery may have been requested again meanwhile.
    gone = delete(Delivery).where(Delivery.id.in_(old), ~owed)
    return ctx.session.connection().execute(gone).rowcount


def due(now: datetime) -> ColumnElement[bool]:
    """Return the condition for deliveries that are due, also after the clock was set back."""
    return and_(
        Delivery.state == DeliveryState.OWED,
        or_(
            Delivery.next_try_at <= now,
            Delivery.next_try_at == Delivery.created_at,
            Delivery.next_try_at > now + BACK_OFF[-1] + CLAIM,
        ),
    )


def with_something_due(ctx: Context) -> Sequence[int]:
    """Return the ids of the endpoints that are on and have a due delivery."""
    return ctx.session.scalars(
        select(Delivery.endpoint_id)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(due(ctx.now), Endpoint.ended.is_(None), Endpoint.removed_at.is_(None))
        .distinct()
    ).all()


def _fault_of_url(url: str, networks: Collection[str]) -> str:
    url = url.strip()
    if fault := texts.fault(url, URL_LENGTH):
        return fault
    example = "Enter a URL such as https://example.com/hooks"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return example
    if not parts.hostname or port == 0 or not url.isascii() or " " in url:
        return example
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "Must not contain a user name, password or #"
    if parts.scheme != "https" and not (networks and parts.scheme == "http"):
        return "Must begin with https://"
    # The addresses of a name are checked before each delivery.
    address = literal(parts.hostname)
    if address is None or is_public(address) or is_in(address, networks):
        return ""
    return PRIVATE
