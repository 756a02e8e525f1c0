"""`If-Match`: replace a resource only if it is unchanged since it was read (RFC 9110, 13.1.1)."""

from flask import request
from werkzeug.exceptions import PreconditionRequired

from webapp.domain.shared.errors import Stale

CHANGED = "The resource has changed since you read it. Nothing was saved. Read it again."
SEND = "Send the ETag of your last read as If-Match."


def require(version: str) -> None:
    """Check `If-Match` against the current version. Raises `PreconditionRequired` or `Stale`."""
    if "If-Match" not in request.headers:
        raise PreconditionRequired(SEND)
    if not request.if_match.contains(version):
        raise Stale(CHANGED)
