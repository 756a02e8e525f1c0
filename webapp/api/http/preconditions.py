"""What is replaced must be what was read: `If-Match` (RFC 9110, 13.1.1)."""

from flask import request
from werkzeug.exceptions import PreconditionRequired

from webapp.domain.shared.errors import Stale

CHANGED = "It has changed since you read it. Nothing of yours was saved: read it again."
SEND = "Send the ETag that you have read as If-Match."


def require(version: str) -> None:
    """The version that stands. Raises `PreconditionRequired` or `Stale`."""
    if "If-Match" not in request.headers:
        raise PreconditionRequired(SEND)
    if not request.if_match.contains(version):
        raise Stale(CHANGED)
