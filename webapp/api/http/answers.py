"""JSON responses with ETags; unchanged reads are answered with 304."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

from flask import Response, request

from webapp.api.openapi.operations import JSON
from webapp.reads.records.record import Record

Of = TypeVar("Of", bound=Record)


@dataclass(frozen=True)
class Answer(Generic[Of]):
    """A record with more than the operation's usual status."""

    record: Of
    status: int = 200
    version: str = ""
    """Becomes a strong ETag, which `If-Match` can require later."""
    location: str = ""


def render(answer: Answer[Of]) -> Response:
    body = answer.record.model_dump_json()
    response = Response(body, answer.status, mimetype=JSON)
    if answer.location:
        response.headers["Location"] = answer.location
    if answer.version:
        response.set_etag(answer.version)
    if request.method not in ("GET", "HEAD") or answer.status != 200:
        return response
    if not answer.version:
        # Weak, because the body may also be sent compressed.
        response.set_etag(blake2b(body.encode(), digest_size=12).hexdigest(), weak=True)
    tag, _ = response.get_etag()
    if tag and request.if_none_match.contains_weak(tag):
        return Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response
