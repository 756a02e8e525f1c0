"""Client of Stripe's library, with a pinned API version, timeouts and no automatic retries."""

import logging

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
from webapp.processors.errors import converts

log = logging.getLogger(__name__)

API_VERSION = "2026-10-28.endive"
"""The version for which this package is written. Test the adapter before changing it."""

CONNECT, ANSWER = 5.0, 25.0
"""Timeouts in seconds. A bank may be slow; later outcomes are queried (L10)."""

IN_USE = 409
"""HTTP status while another request with the same key is being processed."""


def connect(secret_key: str, api_base: str, patience: float = ANSWER) -> StripeClient:
    return StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": api_base},
        http_client=RequestsClient(timeout=(CONNECT, patience)),
        # Ballast repeats requests itself, under the same key and by its own schedule (L8, L10).
        max_network_retries=0,
    )


def fault(error: StripeError) -> Unknown | RequestRejected:
    """The answer to an error: `RequestRejected` if nothing was run, otherwise `Unknown`."""
    message = str(error.user_message or type(error).__name__)
    if isinstance(error, RateLimitError | AuthenticationError | NotPermitted):
        return RequestRejected(message)
    if isinstance(error, InvalidRequestError):
        return RequestRejected(message)
    if isinstance(error, APIError) and error.http_status == IN_USE:
        return Unknown("Stripe is still processing the same request")
    return Unknown(message)


def _answer_to(error: Exception) -> Unknown | RequestRejected:
    if isinstance(error, StripeError):
        return fault(error)
    # The response has an unknown format: the request may have taken money.
    log.error("Stripe's answer could not be read", exc_info=error)
    return Unknown("Stripe's answer could not be read")


answered = converts(
    (StripeError, AttributeError, KeyError, IndexError, TypeError, ValueError), _answer_to
)

OTHER_MODE = "mode key was used"
"""Part of the message if a live object is requested with a test key, or the other way round."""


def is_missing(error: StripeError) -> bool:
    """Whether the object does not exist; False if it exists in the other mode (wrong key)."""
    if not isinstance(error, InvalidRequestError) or error.code != "resource_missing":
        return False
    return OTHER_MODE not in str(error.user_message)
