"""API key authentication and scope checks. Every API handler starts with `permit`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from webapp.actions.api_keys.record_key_use import record_key_use
from webapp.actions.users.rate_limit import hit
from webapp.domain.api_keys.api_key import (
    OF_ACCOUNT,
    OF_PROVIDER,
    KeyState,
    Scope,
    ShownKey,
)
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.errors import Denied
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count
from webapp.extensions import services

REALM: dict[str, str | None] = {"realm": "Ballast API"}


@dataclass(frozen=True)
class ApiClient:
    """The authenticated API key of an account."""

    account_id: int
    currency: str
    key_name: str
    own_metering: bool

    @property
    def actor(self) -> Actor:
        """The key as the actor in the audit log."""
        return Actor(name=f"API key {self.key_name}"[:120], address=request.remote_addr or "")


@dataclass(frozen=True)
class ProviderClient:
    """The authenticated API key of the provider, which acts for every account (V1)."""

    key_id: int
    key_name: str
    account_id: None = None

    @property
    def actor(self) -> Actor:
        """The key as the actor in the audit log."""
        return Actor(name=f"Provider key {self.key_name}"[:120], address=request.remote_addr or "")


Client = ApiClient | ProviderClient


def permit(ctx: Context, *scopes: Scope) -> Client:
    """Authenticate `Authorization: Bearer KEY` (RFC 6750) and require one of the scopes.

    Raises `Unauthorized` or `Denied`.
    """
    # Werkzeug's own parser of this header fails on a Basic header with non-ASCII bytes.
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized(
            "Send your API key as Authorization: Bearer KEY.",
            www_authenticate=WWWAuthenticate("bearer", REALM),
        )
    wrong = WWWAuthenticate("bearer", {**REALM, "error": "invalid_token"})
    return _admit(ctx, key.strip(), scopes, wrong)


def permit_by_header(ctx: Context, scope: Scope) -> ApiClient:
    """Authenticate `Api-Key: KEY` and require a scope.

    Raises `Unauthorized` or `Denied`.
    """
    challenge = WWWAuthenticate("api-key", REALM)
    key = request.headers.get("Api-Key", "").strip()
    if not key:
        raise Unauthorized("Send your API key as Api-Key: KEY.", www_authenticate=challenge)
    # `scope` is one of an account's, so the key is too.
    return cast(ApiClient, _admit(ctx, key, (scope,), challenge))


def _admit(ctx: Context, key: str, scopes: Sequence[Scope], challenge: WWWAuthenticate) -> Client:
    address = request.remote_addr or ""
    shown = ShownKey.find(ctx.session, key)
    if shown is None:
        _count_unknown_key(ctx, address)
        raise Unauthorized("Unknown API key.", www_authenticate=challenge)
    if not shown.works(ctx.now):
        ended = KeyState.REVOKED if shown.revoked_at else KeyState.EXPIRED
        raise Unauthorized(f"This API key is {ended}.", www_authenticate=challenge)
    if not shown.allows_from(address):
        sentence = f"This API key cannot be used from {address}."
        raise Denied(sentence, code="address_not_allowed")
    _require(shown, scopes)
    if shown.should_record_use(ctx.now):
        record_key_use(ctx, shown.id, address)
    if shown.account_id is None:
        return ProviderClient(shown.id, shown.name)
    own_metering = bool(shown.own_metering)
    return ApiClient(shown.account_id, shown.currency or "", shown.name, own_metering)


def _require(shown: ShownKey, scopes: Sequence[Scope]) -> None:
    """Raise `Denied` unless the key has one of the scopes and may use it (V1, V3)."""
    of_this_kind = OF_ACCOUNT if shown.account_id is not None else OF_PROVIDER
    needed = [scope for scope in scopes if scope in of_this_kind]
    if not needed:
        whose = "a provider key" if shown.account_id is not None else "an account's API key"
        raise Denied(f"This operation requires {whose}.", code="insufficient_scope")
    if not set(needed) & set(shown.scopes):
        raise Denied(f"This API key lacks the scope {needed[0]}.", code="insufficient_scope")
    if needed == [Scope.USAGE_WRITE] and not shown.own_metering:
        raise _metered_by_provider()


def require_metering(client: Client) -> None:
    """Raise `Denied` for the key of an account that the provider meters (V3)."""
    if isinstance(client, ApiClient) and not client.own_metering:
        raise _metered_by_provider()


def _metered_by_provider() -> Denied:
    return Denied("The provider meters this account.", code="insufficient_scope")


def _count_unknown_key(ctx: Context, address: str) -> None:
    """Limit the rate of unknown keys per client address. Raises `TooOften`."""
    if services().settings.rate_limits:
        counts = [Count(rate_limits.KEY_FROM, rate_limits.client_of(address))]
        hit(ctx, "Too many unknown API keys", counts)
