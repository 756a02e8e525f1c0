"""API keys of accounts and of the provider: shown once, stored hashed, restricted to their scopes
and networks.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address, ip_network
from secrets import token_urlsafe
from typing import NamedTuple

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    String,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.database.statements import RowQuery
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, NotFound
from webapp.domain.users.user import Right, not_allowed

PREFIX = "bk_"

FIRST_NAME = "First key"
"""Name of the key that is created with the account."""

MOST = 50
"""Maximum number of working keys per account, and of the provider."""

MOST_NETWORKS = 20

USE_NOTED = timedelta(hours=1)
"""Resolution of the last use; recording every request would be a write each time."""


class Scope(StrEnum):
    """Permissions of a key: the first four of an account's, the others of the provider's (V1)."""

    USAGE_WRITE = "usage:write"
    """Post usage and open holds: only where the operator allows own metering (V3)."""
    BALANCE_READ = "balance:read"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"

    ACCOUNTS = "accounts"
    USAGE = "usage"
    HOLDS = "holds"
    BALANCES = "balances"
    ADJUSTMENTS = "adjustments"
    EVENTS = "events"
    SANDBOX = "sandbox"


READING = (Scope.BALANCE_READ, Scope.BILLING_READ)
"""Scopes of a new account's first key."""

OF_ACCOUNT = (Scope.USAGE_WRITE, Scope.BALANCE_READ, Scope.BILLING_READ, Scope.BILLING_WRITE)

OF_PROVIDER = tuple(scope for scope in Scope if scope not in OF_ACCOUNT)

OF_BILLING = frozenset({Scope.BILLING_READ, Scope.BILLING_WRITE})
"""Scopes that only people with the billing right may grant (P1)."""


class KeyState(StrEnum):
    ACTIVE = "active"
    ENDING = "ending"
    """Rotated: the old and the new key both work until the overlap ends."""
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class KeyChoice:
    """The properties of a new key, as a person enters them."""

    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...] = ()
    """Allowed CIDR networks or addresses; empty: any address."""
    lasts: timedelta | None = None

    def faults(self, rights: Collection[Right], grantable: Collection[Scope]) -> dict[str, str]:
        """Return an error for each invalid field.

        `grantable`: the scopes that a key of this owner may have; see `grantable_scopes`.
        """
        faults: dict[str, str] = {}
        if not self.name.strip():
            faults["name"] = "Enter a name"
        elif fault := texts.fault(self.name.strip(), texts.NAME_LENGTH):
            faults["name"] = fault
        if fault := self._fault_of_scopes(rights, grantable):
            faults["scopes"] = fault
        if len(self.networks) > MOST_NETWORKS:
            faults["networks"] = f"At most {MOST_NETWORKS} addresses"
        elif bad := [text for text in self.networks if not is_network(text)]:
            faults["networks"] = f"{bad[0][:60]} is invalid; use 203.0.113.7 or 203.0.113.0/24"
        return faults

    def _fault_of_scopes(self, rights: Collection[Right], grantable: Collection[Scope]) -> str:
        if not self.scopes:
            return "Choose at least one"
        if unknown := [scope for scope in self.scopes if scope not in set(Scope)]:
            return f"Unknown scope {unknown[0][:60]}"
        if Scope.USAGE_WRITE in self.scopes and Scope.USAGE_WRITE not in grantable:
            return "Your provider meters this account"
        if other := [scope for scope in self.scopes if scope not in grantable]:
            return f"This key cannot have the scope {other[0]}"
        if OF_BILLING.intersection(self.scopes) and Right.BILLING not in rights:
            return "Only people with access to billing can grant these"
        return ""


class ApiKey(Base):
    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    """None: a key of the provider, which acts for every account (V1)."""
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(12))
    """The key's first characters, shown so that a person recognises it."""
    name: Mapped[str] = mapped_column(String(texts.NAME_LENGTH))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    networks: Mapped[list[str]] = mapped_column(JSON)
    """Allowed networks; empty: any address."""
    expires_at: Mapped[datetime | None]
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"), unique=True)
    """The key that this key replaces."""
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """Accurate to `USE_NOTED`."""
    last_used_from: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime]

    @classmethod
    def issue(
        cls, account_id: int | None, choice: KeyChoice, now: datetime
    ) -> tuple["ApiKey", str]:
        """Create a key; returns its record and the key itself, which is not stored."""
        key = PREFIX + token_urlsafe(32)
        record = cls(
            account_id=account_id,
            key_hash=hash_key(key),
            hint=key[:8],
            name=choice.name.strip(),
            scopes=[scope for scope in Scope if scope in choice.scopes],
            networks=[str(ip_network(text)) for text in choice.networks],
            expires_at=now + choice.lasts if choice.lasts else None,
            created_at=now,
        )
        return record, key

    def succeed(self, overlap: timedelta, now: datetime) -> tuple["ApiKey", str]:
        """Create a replacement with the same properties; this key expires after the overlap."""
        lasts = self.expires_at - self.created_at if self.expires_at else None
        choice = KeyChoice(self.name, tuple(self.scopes), tuple(self.networks), lasts)
        record, key = ApiKey.issue(self.account_id, choice, now)
        record.replaces_id = self.id
        ends = now + overlap
        self.expires_at = min(ends, self.expires_at) if self.expires_at else ends
        return record, key

    def rotation_denial(self, rights: Collection[Right]) -> str:
        """Return why people with these rights may not rotate the key; empty if they may (P1)."""
        if Right.BILLING in rights or not OF_BILLING.intersection(self.scopes):
            return ""
        return not_allowed(Right.BILLING, "rotate a key with billing scopes")

    def revoke(self, now: datetime) -> None:
        if self.revoked_at is None:
            self.revoked_at = now

    def works(self, now: datetime) -> bool:
        return is_alive(self.revoked_at, self.expires_at, now)


class ShownKey(NamedTuple):
    """The key of a request, and columns of its account.

    Read as columns, because every request needs them and loading two records would be expensive.
    """

    id: int
    name: str
    scopes: list[str]
    networks: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    account_id: int | None
    currency: str | None
    own_metering: bool | None

    @classmethod
    def find(cls, session: Session, key: str) -> "ShownKey | None":
        """Return the key; None if it is unknown."""
        found = _BY_KEY.row(session, {"key_hash": hash_key(key)})
        return cls._make(found) if found is not None else None

    def works(self, now: datetime) -> bool:
        return is_alive(self.revoked_at, self.expires_at, now)

    def allows_from(self, address: str) -> bool:
        if not self.networks:
            return True
        try:
            origin = ip_address(address)
        except ValueError:
            return False
        if (mapped := getattr(origin, "ipv4_mapped", None)) is not None:
            origin = mapped  # dual-stack sockets report IPv4 clients in this form
        return any(origin in ip_network(network) for network in self.networks)

    def should_record_use(self, now: datetime) -> bool:
        # A time farther ahead was written before the clock was set back.
        return self.last_used_at is None or abs(now - self.last_used_at) >= USE_NOTED


def lock_owner(session: Session, account_id: int | None) -> Collection[Scope]:
    """Start a write transaction, lock the account if there is one, and return the scopes that its
    keys, or the provider's, may have (V3). Raises `NotFound`.
    """
    if account_id is None:
        begin_writing(session)
        return grantable_scopes(None)
    return grantable_scopes(Account.locked(session, account_id))


def require_not_closed(session: Session, account_id: int | None) -> None:
    """Raise `Denied` if the locked account is closed (V4)."""
    if account_id is not None:
        session.get_one(Account, account_id).require_not_closed()


def grantable_scopes(account: Account | None) -> Collection[Scope]:
    """Return the scopes that keys of the account may have; without one, those of the provider."""
    if account is None:
        return OF_PROVIDER
    return OF_ACCOUNT if account.own_metering else OF_ACCOUNT[1:]


def is_alive(revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> bool:
    return revoked_at is None and (expires_at is None or now < expires_at)


def hash_key(key: str) -> str:
    # A key has 256 random bits, so a slow hash would not make it safer.
    return sha256(key.encode()).hexdigest()


def is_network(text: str) -> bool:
    """Return whether this is an address or network without host bits.

    10.0.0.1/8 is refused, because it may be a typing error for 10.0.0.1.
    """
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def find(session: Session, account_id: int | None, key_id: int) -> ApiKey:
    """Return a key of the account; without one, of the provider. Raises `NotFound`."""
    key = session.scalar(select(ApiKey).where(ApiKey.id == key_id, ApiKey.account_id == account_id))
    if key is None:
        raise NotFound("The API key")
    return key


def works(ctx: Context, key_id: int) -> bool:
    """Return whether the key works, and keep it from ending until the transaction ends."""
    query = select(ApiKey.id).where(ApiKey.id == key_id, working(ctx.now))
    return ctx.session.scalar(query.with_for_update(read=True)) is not None


def of_account(ctx: Context, account_id: int) -> Sequence[ApiKey]:
    """Return the account's working keys."""
    query = select(ApiKey).where(ApiKey.account_id == account_id, working(ctx.now))
    return ctx.session.scalars(query.order_by(ApiKey.id)).all()


def working(now: datetime) -> ColumnElement[bool]:
    return and_(
        ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    )


def require_room(ctx: Context, account_id: int | None) -> None:
    """Raise `Invalid` if the account, or the provider, has the maximum number of keys."""
    held = ctx.session.scalar(
        select(func.count())
        .select_from(ApiKey)
        .where(ApiKey.account_id == account_id, working(ctx.now))
    )
    if (held or 0) >= MOST:
        raise Invalid({"name": f"There are already {MOST} keys; revoke one first"})


def successors(session: Session, keys: Sequence[ApiKey]) -> set[int]:
    """Return the ids of those keys that were replaced by another key."""
    ids = [key.id for key in keys]
    found = session.scalars(select(ApiKey.replaces_id).where(ApiKey.replaces_id.in_(ids)))
    return {replaced for replaced in found if replaced is not None}


def record_use(ctx: Context, key_id: int, address: str) -> None:
    ctx.session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id)
        .values(last_used_at=ctx.now, last_used_from=address[:64])
        .execution_options(synchronize_session=False)
    )


# In the order of `ShownKey`.
_BY_KEY = RowQuery(
    select(
        ApiKey.id,
        ApiKey.name,
        ApiKey.scopes,
        ApiKey.networks,
        ApiKey.expires_at,
        ApiKey.revoked_at,
        ApiKey.last_used_at,
        ApiKey.account_id,
        Account.currency,
        Account.own_metering,
    )
    .outerjoin(Account, Account.id == ApiKey.account_id)
    .where(ApiKey.key_hash == bindparam("key_hash"))
)
