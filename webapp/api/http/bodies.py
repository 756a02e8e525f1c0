"""A request's body as JSON, read strictly: what can be understood in two ways is refused."""

import json

from flask import request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MEDIA_TYPE = "application/json"


def read_json() -> object:
    """The body's value; every number in it is a float, whatever its size.

    Raises `BadRequest`, `UnsupportedMediaType` or `RequestEntityTooLarge`.
    """
    if request.mimetype != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Send JSON, with Content-Type: {MEDIA_TYPE}.")
    body = read()
    try:
        return json.loads(
            body.decode("utf-8"),
            # Numbers are accepted nowhere (L1), and an integer of a million digits is slow to make.
            parse_int=float,
            parse_constant=_refuse,
            object_pairs_hook=_once_each,
        )
    # Nested a thousand deep is no record of ours either.
    except (ValueError, RecursionError) as fault:
        raise BadRequest(f"The body is not valid JSON in UTF-8: {_words(fault)}.") from None


def is_sent() -> bool:
    """Where a body may be left out."""
    return bool(request.content_type) or bool(request.get_data())


def read() -> bytes:
    """Raises `RequestEntityTooLarge`."""
    body = request.get_data()
    # Werkzeug cuts a chunked body off at the limit without a word.
    if len(body) >= (request.max_content_length or len(body) + 1):
        raise RequestEntityTooLarge("Send less at once.")
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _words(fault: Exception) -> str:
    return "it is nested too deeply" if isinstance(fault, RecursionError) else str(fault)
