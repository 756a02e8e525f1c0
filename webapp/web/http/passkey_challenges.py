"""What a browser must sign with a passkey, and for which host."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_bytes
from urllib.parse import urlsplit

from flask import Flask, request, session

from webapp.domain.shared.errors import NotFound
from webapp.domain.users.passkeys import RelyingParty
from webapp.extensions import services

CHALLENGE = "challenge"
"""In the cookie: what the browser's next answer must have signed. Each is used once."""

DEVELOPMENT_HOST = "localhost"


def init_app(app: Flask) -> None:
    app.add_template_global(are_offered, "offers_passkeys")


def new_challenge() -> bytes:
    challenge = token_bytes(32)
    session[CHALLENGE] = urlsafe_b64encode(challenge).decode()
    return challenge


def take_challenge() -> bytes:
    """The last one, which works no second time; none of its own length if there was none."""
    return urlsafe_b64decode(session.pop(CHALLENGE, ""))


def relying_party() -> RelyingParty:
    """Raises `NotFound` where passkeys are not offered."""
    settings = services().settings
    # The Host header is the visitor's word: a proxy in between could sign people in by its own.
    here = urlsplit(settings.public_url or _development_url())
    if not here.hostname:
        raise NotFound("Passkeys")
    return RelyingParty(here.hostname, f"{here.scheme}://{here.netloc}", "Ballast")


def are_offered() -> bool:
    return bool(services().settings.public_url or _development_url())


def _development_url() -> str:
    """Browsers take passkeys for localhost, and for no address such as 127.0.0.1."""
    host = urlsplit(request.host_url)
    return request.host_url if host.hostname == DEVELOPMENT_HOST else ""
