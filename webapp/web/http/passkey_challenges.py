"""Passkey challenges, and the relying party that passkeys belong to."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_bytes
from urllib.parse import urlsplit

from flask import Flask, request, session

from webapp.domain.shared.errors import NotFound
from webapp.domain.users.passkeys import RelyingParty
from webapp.extensions import services

CHALLENGE = "challenge"
"""Session key: the challenge that the browser must sign next. Each is used once."""

DEVELOPMENT_HOST = "localhost"


def init_app(app: Flask) -> None:
    app.add_template_global(are_offered, "offers_passkeys")


def new_challenge() -> bytes:
    challenge = token_bytes(32)
    session[CHALLENGE] = urlsafe_b64encode(challenge).decode()
    return challenge


def take_challenge() -> bytes:
    """Remove and return the session's challenge; empty if there is none."""
    return urlsafe_b64decode(session.pop(CHALLENGE, ""))


def relying_party() -> RelyingParty:
    """Raises `NotFound` where passkeys are not offered."""
    settings = services().settings
    # The Host header cannot be trusted: a proxy in between could sign people in on its own host.
    here = urlsplit(settings.public_url or _development_url())
    if not here.hostname:
        raise NotFound("Passkeys")
    return RelyingParty(here.hostname, f"{here.scheme}://{here.netloc}", "Ballast")


def are_offered() -> bool:
    return bool(services().settings.public_url or _development_url())


def _development_url() -> str:
    """Browsers allow passkeys on localhost, but not on an IP address such as 127.0.0.1."""
    host = urlsplit(request.host_url)
    return request.host_url if host.hostname == DEVELOPMENT_HOST else ""
