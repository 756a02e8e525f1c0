"""API keys of an account and of the provider, for their pages and for the command line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey, KeyState, Scope
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users.user import Right

SCOPES = {
    Scope.USAGE_WRITE: "Post usage, and hold amounts for calls in progress",
    Scope.BALANCE_READ: "Read the balance",
    Scope.BILLING_READ: "Read payment methods, payments, settings and the statement",
    Scope.BILLING_WRITE: "Add funds, and change payment methods and settings",
    Scope.ACCOUNTS: "Create, read and change accounts, and sign people in from your portal",
    Scope.USAGE: "Post usage of every account, and reverse it",
    Scope.HOLDS: "Hold amounts of every account for calls in progress, and post what they used",
    Scope.BALANCES: "Read the balances and statements of all accounts",
    Scope.ADJUSTMENTS: "Credit and debit the balance of every account",
    Scope.EVENTS: "Read the events of all accounts, and change the provider’s webhooks",
    Scope.SANDBOX: "Add test cards, answer as the bank and advance the clock in the sandbox",
}
"""Descriptions of the scopes in the forms that create a key of an account or of the provider."""

MOST_ENDED = 20
"""Ended keys shown; older ones are in the audit log."""


@dataclass(frozen=True)
class KeyRow:
    id: int
    name: str
    hint: str
    """ "bk_4fTx2"."""
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    state: KeyState
    standing: str
    """ "Replaced, works until Tue 24 Nov, 10:02"; empty for an active key without expiry."""
    used: str
    """ "Last used today, 10:02, from 203.0.113.7"."""
    created: str
    denial: str
    """Why this user may not rotate the key; empty if they may."""

    @property
    def works(self) -> bool:
        return self.state in (KeyState.ACTIVE, KeyState.ENDING)

    @property
    def can_rotate(self) -> bool:
        return self.state is KeyState.ACTIVE


@dataclass(frozen=True)
class KeysScreen:
    working: tuple[KeyRow, ...]
    ended: tuple[KeyRow, ...]

    @property
    def denial(self) -> str:
        """Why this user may not rotate keys; shown once above the list."""
        return next((row.denial for row in self.working if row.can_rotate and row.denial), "")


@dataclass(frozen=True)
class KeyRecord:
    """An API key for the operator's command line and other programs."""

    id: int
    account: int | None
    """None: a key of the provider."""
    name: str
    prefix: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str


def read_keys(ctx: Context, account_id: int | None, rights: Collection[Right]) -> KeysScreen:
    zone = _zone(ctx, account_id)
    keys = _newest_first(ctx, account_id)
    replaced = api_keys.successors(ctx.session, keys)
    rows = [_row(key, key.id in replaced, zone, rights, ctx.now) for key in keys]
    ended = [row for row in rows if not row.works]
    return KeysScreen(tuple(row for row in rows if row.works), tuple(ended[:MOST_ENDED]))


def read_scopes(
    ctx: Context, account_id: int | None, rights: Collection[Right]
) -> Sequence[tuple[Scope, str]]:
    """Return the scopes that a user with these rights may grant, with descriptions (P1, V3)."""
    grantable = api_keys.grantable_scopes(_account(ctx, account_id))
    return [
        (scope, words)
        for scope, words in SCOPES.items()
        if scope in grantable and (Right.BILLING in rights or scope not in api_keys.OF_BILLING)
    ]


def read_key(
    ctx: Context, account_id: int | None, key_id: int, rights: Collection[Right]
) -> KeyRow:
    """Raises `NotFound`."""
    key = api_keys.find(ctx.session, account_id, key_id)
    replaced = bool(api_keys.successors(ctx.session, [key]))
    return _row(key, replaced, _zone(ctx, account_id), rights, ctx.now)


def read_key_records(ctx: Context, account_id: int | None) -> Sequence[KeyRecord]:
    keys = _newest_first(ctx, account_id)
    replaced = api_keys.successors(ctx.session, keys)
    return [
        KeyRecord(
            id=key.id,
            account=account_id,
            name=key.name,
            prefix=key.hint,
            scopes=tuple(key.scopes),
            networks=tuple(key.networks),
            state=_state(key, key.id in replaced, ctx.now),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            last_used_from=key.last_used_from,
        )
        for key in keys
    ]


def _account(ctx: Context, account_id: int | None) -> Account | None:
    return None if account_id is None else ctx.session.get_one(Account, account_id)


def _zone(ctx: Context, account_id: int | None) -> str:
    """Return the time zone of the pages: the account's, or the operator's, which is UTC."""
    account = _account(ctx, account_id)
    return account.time_zone if account else "UTC"


def _newest_first(ctx: Context, account_id: int | None) -> Sequence[ApiKey]:
    mine = select(ApiKey).where(ApiKey.account_id == account_id)
    return ctx.session.scalars(mine.order_by(ApiKey.id.desc())).all()


def _state(key: ApiKey, replaced: bool, now: datetime) -> KeyState:
    if key.revoked_at is not None:
        return KeyState.REVOKED
    if not key.works(now):
        return KeyState.EXPIRED
    return KeyState.ENDING if replaced else KeyState.ACTIVE


def _row(
    key: ApiKey, replaced: bool, time_zone: str, rights: Collection[Right], now: datetime
) -> KeyRow:
    state = _state(key, replaced, now)
    return KeyRow(
        id=key.id,
        name=key.name,
        hint=key.hint,
        scopes=tuple(key.scopes),
        networks=tuple(key.networks),
        state=state,
        standing=_standing(key, state, time_zone, now),
        used=_used(key, time_zone, now),
        created=f"Created {datetimes.day(key.created_at, time_zone, now)}",
        denial=key.rotation_denial(rights),
    )


def _standing(key: ApiKey, state: KeyState, time_zone: str, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"Revoked {_then(key.revoked_at, time_zone, now)}"
    if key.expires_at is None:
        return ""
    if state is KeyState.EXPIRED:
        return f"Expired {_then(key.expires_at, time_zone, now)}"
    until = datetimes.when(key.expires_at, time_zone, now)
    return f"Replaced, works until {until}" if state is KeyState.ENDING else f"Expires {until}"


def _used(key: ApiKey, time_zone: str, now: datetime) -> str:
    if key.last_used_at is None:
        return "Never used"
    when = _then(key.last_used_at, time_zone, now)
    return f"Last used {when}" + (f", from {key.last_used_from}" if key.last_used_from else "")


def _then(instant: datetime, time_zone: str, now: datetime) -> str:
    return datetimes.within(datetimes.since(instant, time_zone, now))
