"""Answers in JSON, and whether the asker has them already."""

import json
from datetime import datetime
from hashlib import blake2b

from flask import Response, request

from webapp.api.openapi.operations import JSON
from webapp.api.openapi.schemas import as_json


def answer(record: object, status: int = 200, *, version: str = "") -> Response:
    """`version`: names what was read, exactly, so that it can be replaced under `If-Match`."""
    body = json.dumps(as_json(record), default=_instant, ensure_ascii=False, separators=(",", ":"))
    response = Response(body, status, mimetype=JSON)
    if version:
        response.set_etag(version)
    elif request.method in ("GET", "HEAD") and status == 200:
        # Weak, because the same goes out compressed.
        response.set_etag(blake2b(body.encode(), digest_size=12).hexdigest(), weak=True)
    tag, _ = response.get_etag()
    if tag and request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag):
        return Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response


def nothing() -> Response:
    return Response(status=204)


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    raise TypeError(f"{value!r} has no place in JSON")
