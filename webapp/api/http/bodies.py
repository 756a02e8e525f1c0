"""Strict parsing of JSON request bodies: ambiguous input is refused."""

import json

from flask import request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MEDIA_TYPE = "application/json"


def read_json() -> object:
    """Parse the request body; every number becomes a float, whatever its size.

    Raises `BadRequest`, `UnsupportedMediaType` or `RequestEntityTooLarge`.
    """
    if request.mimetype != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Send JSON, with Content-Type: {MEDIA_TYPE}.")
    body = read()
    try:
        return json.loads(
            body.decode("utf-8"),
            # Amounts are never numbers (L1), and parsing an integer of a million digits is slow.
            parse_int=float,
            parse_constant=_refuse,
            object_pairs_hook=_once_each,
        )
    except (ValueError, RecursionError) as fault:
        raise BadRequest(f"The body is not valid JSON in UTF-8: {_reason(fault)}.") from None


def is_sent() -> bool:
    """Whether the request has a body; for operations with an optional one."""
    return bool(request.content_type) or bool(request.get_data())


def read() -> bytes:
    """The raw body. Raises `RequestEntityTooLarge`."""
    body = request.get_data()
    # Werkzeug silently truncates a chunked body at the limit.
    if len(body) >= (request.max_content_length or len(body) + 1):
        raise RequestEntityTooLarge("The body is too large. Send less at once.")
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def _reason(fault: Exception) -> str:
    return "it is nested too deeply" if isinstance(fault, RecursionError) else str(fault)
