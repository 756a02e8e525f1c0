"""Talking to Stripe by its own library: its version is pinned, its time is bounded, and nothing is
sent twice behind our back.
"""

from stripe import (
    APIError,
    AuthenticationError,
    InvalidRequestError,
    RateLimitError,
    RequestsClient,
    StripeClient,
    StripeError,
)
from stripe import PermissionError as NotPermitted

from webapp.ports import RequestRejected, Unknown

API_VERSION = "2026-10-28.endive"
"""What the objects in this folder look like; a newer one is a change here, and tried first."""

CONNECT, ANSWER = 5.0, 25.0
"""Seconds. A bank may take its time; whoever waits longer asks later (L10)."""

IN_USE = 409
"""The same key is being worked on at this moment."""


def connect(secret_key: str, api_base: str, patience: float = ANSWER) -> StripeClient:
    return StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": api_base},
        http_client=RequestsClient(timeout=(CONNECT, patience)),
        # Repeating is our own business: under the same key, and when it is due (L8, L10).
        max_network_retries=0,
    )


def fault(error: StripeError) -> Unknown | RequestRejected:
    """What an error says of the request: not looked at, or nobody knows."""
    words = str(error.user_message or type(error).__name__)
    if isinstance(error, RateLimitError | AuthenticationError | NotPermitted):
        return RequestRejected(words)
    if isinstance(error, InvalidRequestError):
        return RequestRejected(words)
    if isinstance(error, APIError) and error.http_status == IN_USE:
        return Unknown("Stripe is still working on the same request")
    return Unknown(words)


OTHER_MODE = "mode key was used"
"""In the message where a live object is asked for with a test key, or the other way round."""


def is_missing(error: StripeError) -> bool:
    """There is no such object. One of the other mode is there: then our key is the wrong one."""
    if not isinstance(error, InvalidRequestError) or error.code != "resource_missing":
        return False
    return OTHER_MODE not in str(error.user_message)
