"""Signed links: what a mail's link says was said by us, and is not changed on its way."""

from typing import Any

from itsdangerous import BadData, URLSafeSerializer

RESUME = "resume a payment"
CONFIRM = "confirm an e-mail address"
RESET = "choose a new password"
STOP = "stop these mails"
INVITATION = "accept an invitation"


def sign(secret_key: str, purpose: str, value: object) -> str:
    """The token of a link that is for this purpose alone."""
    return str(URLSafeSerializer(secret_key, salt=purpose).dumps(value))


def masked(purpose: str, value: object) -> str:
    """In a token's place, where staff read a mail: its links are for who it was sent to alone."""
    return "••••"


def read(secret_key: str, purpose: str, token: str) -> Any:
    """What was signed, or None for a token that is not ours."""
    try:
        return URLSafeSerializer(secret_key, salt=purpose).loads(token)
    except BadData:
        return None
