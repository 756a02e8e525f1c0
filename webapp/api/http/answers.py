"""JSON responses with ETags; unchanged reads are answered with 304."""

import json
from datetime import datetime
from hashlib import blake2b

from flask import Response, request

from webapp.api.openapi.operations import JSON
from webapp.api.openapi.schemas import as_json


def answer(record: object, status: int = 200, *, version: str = "") -> Response:
    """A JSON response. `version` becomes a strong ETag, which `If-Match` can require later."""
    body = json.dumps(as_json(record), default=_instant, ensure_ascii=False, separators=(",", ":"))
    response = Response(body, status, mimetype=JSON)
    if version:
        response.set_etag(version)
    elif request.method in ("GET", "HEAD") and status == 200:
        # Weak, because the body may also be sent compressed.
        response.set_etag(blake2b(body.encode(), digest_size=12).hexdigest(), weak=True)
    tag, _ = response.get_etag()
    if tag and request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag):
        return Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response


def no_content() -> Response:
    return Response(status=204)


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    raise TypeError(f"{value!r} cannot be written as JSON")
