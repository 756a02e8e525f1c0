"""API key authentication and scope checks. Every API handler starts with `permit`."""

from dataclasses import dataclass

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from webapp.actions.api_keys.record_key_use import record_key_use
from webapp.actions.users.rate_limit import hit
from webapp.domain.api_keys.api_key import KeyState, Scope, ShownKey
from webapp.domain.shared.context import Actor
from webapp.domain.shared.errors import Denied
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count
from webapp.extensions import db, make_context, services

REALM: dict[str, str | None] = {"realm": "Ballast API"}


@dataclass(frozen=True)
class ApiClient:
    """The authenticated API key and its account."""

    account_id: int
    currency: str
    key_name: str

    @property
    def actor(self) -> Actor:
        """The key as the actor in the audit log."""
        return Actor(name=f"API key {self.key_name}"[:120], address=request.remote_addr or "")


def permit(scope: Scope) -> ApiClient:
    """Authenticate `Authorization: Bearer KEY` (RFC 6750) and require a scope.

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
    return _admit(key.strip(), scope, wrong)


def permit_by_header(scope: Scope) -> ApiClient:
    """Authenticate `Api-Key: KEY` and require a scope.

    Raises `Unauthorized` or `Denied`.
    """
    challenge = WWWAuthenticate("api-key", REALM)
    key = request.headers.get("Api-Key", "").strip()
    if not key:
        raise Unauthorized("Send your API key as Api-Key: KEY.", www_authenticate=challenge)
    return _admit(key, scope, challenge)


def _admit(key: str, scope: Scope, challenge: WWWAuthenticate) -> ApiClient:
    session, now, address = db.session(), services().clock.now(), request.remote_addr or ""
    shown = ShownKey.find(session, key)
    if shown is None:
        _count_unknown_key(address)
        raise Unauthorized("Unknown API key.", www_authenticate=challenge)
    if not shown.works(now):
        ended = KeyState.REVOKED if shown.revoked_at else KeyState.EXPIRED
        raise Unauthorized(f"This API key is {ended}.", www_authenticate=challenge)
    if not shown.allows_from(address):
        sentence = f"This API key cannot be used from {address}."
        raise Denied(sentence, code="address_not_allowed")
    if scope not in shown.scopes:
        raise Denied(f"This API key lacks the scope {scope}.", code="insufficient_scope")
    if shown.should_record_use(now):
        record_key_use(make_context().at(now), shown.id, address)
    return ApiClient(shown.account_id, shown.currency, shown.name)


def _count_unknown_key(address: str) -> None:
    """Limit the rate of unknown keys per client address. Raises `TooOften`."""
    if services().settings.rate_limits:
        counts = [Count(rate_limits.KEY_FROM, rate_limits.client_of(address))]
        hit(make_context(), "Too many unknown API keys", counts)
