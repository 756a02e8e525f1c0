"""Signed tokens in the links of emails, so that their content cannot be forged or changed."""

from typing import Any

from itsdangerous import BadData, URLSafeSerializer

# Each purpose is a salt: changing its text invalidates the links that were already sent.
RESUME = "resume a payment"
CONFIRM = "confirm an e-mail address"
RESET = "choose a new password"
STOP = "stop these mails"
INVITATION = "accept an invitation"


def sign(secret_key: str, purpose: str, value: object) -> str:
    """Return a token that is valid for this purpose only."""
    return str(URLSafeSerializer(secret_key, salt=purpose).dumps(value))


def masked(purpose: str, value: object) -> str:
    """Return a placeholder instead of a token, for emails shown to operators."""
    return "••••"


def read(secret_key: str, purpose: str, token: str) -> Any:
    """Return the signed value, or None if the token is invalid."""
    try:
        return URLSafeSerializer(secret_key, salt=purpose).loads(token)
    except BadData:
        return None
