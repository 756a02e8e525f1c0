"""Which account a key speaks for. The first beat of every handler of the machine interface."""

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from webapp.domain.accounts import Account
from webapp.domain.api_keys import ApiKey
from webapp.extensions import db

REALM: dict[str, str | None] = {"realm": "Ballast API"}


def by_bearer() -> Account:
    """`Authorization: Bearer KEY` (RFC 6750). Raises `Unauthorized`."""
    # Werkzeug's own reading of this header fails on a Basic one that is no ASCII.
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized(
            "Send your API key as Authorization: Bearer KEY.",
            www_authenticate=WWWAuthenticate("bearer", REALM),
        )
    wrong = WWWAuthenticate("bearer", {**REALM, "error": "invalid_token"})
    return _account_of(key.strip(), wrong)


def by_api_key_header() -> Account:
    """`Api-Key: KEY`. Raises `Unauthorized`."""
    challenge = WWWAuthenticate("api-key", REALM)
    key = request.headers.get("Api-Key", "").strip()
    if not key:
        raise Unauthorized("Send your API key as Api-Key: KEY.", www_authenticate=challenge)
    return _account_of(key, challenge)


def _account_of(key: str, challenge: WWWAuthenticate) -> Account:
    account = ApiKey.account_of(db.session(), key)
    if account is None:
        raise Unauthorized("This API key is not known.", www_authenticate=challenge)
    return account
