"""Strict parsing of request bodies and query parameters: ambiguous input is refused."""

import codecs
import json
import re
from typing import TypeVar

import jiter
from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from webapp.api.openapi.operations import JSON
from webapp.domain.shared.errors import Invalid

Model = TypeVar("Model", bound=BaseModel)

SENTENCES = {
    "missing": "Required",
    "extra_forbidden": "Unknown field",
    "model_type": "Must be an object",
    "string_type": "Must be text",
    "bool_type": "Must be true or false",
    "tuple_type": "Must be a list",
    "too_short": "Must have at least {min_length}",
    "too_long": "Must have at most {max_length}",
    "enum": "Must be {expected}",
    "literal_error": "Must be {expected}",
    "value_error": "{error}",
    "string_unicode": "Must be text without half surrogate pairs",
}
"""The sentence for each type of error that pydantic reports, with its values."""
OTHERWISE = "Is not valid"
"""The sentence for other types: pydantic's own words are no part of the API."""

_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""A member of an enum in pydantic's message about a literal; the group is its value."""

MOST_FIELDS = 100
"""More than any body or query has. A flood of unknown names is refused without naming each."""


def read(model: type[Model]) -> Model:
    """Parse the JSON body. Raises `Invalid` with an error for each bad field; see `read_json`."""
    return _checked(model, read_json())


def read_query(model: type[Model]) -> Model:
    """Parse the query parameters. Raises `Invalid`."""
    twice = {name: "Given more than once" for name, all_ in request.args.lists() if len(all_) > 1}
    if twice:
        raise Invalid(twice)
    return _checked(model, request.args.to_dict())


def read_json() -> object:
    """Parse the body. Raises `BadRequest`, `UnsupportedMediaType` or `RequestEntityTooLarge`."""
    if request.mimetype != JSON:
        raise UnsupportedMediaType(f"Send JSON, with Content-Type: {JSON}.")
    body = read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        return _read_leniently(body)


def is_sent() -> bool:
    """Whether the request has a body; for operations with an optional one."""
    return bool(request.content_type) or bool(request.get_data())


def read_bytes() -> bytes:
    """The raw body. Raises `RequestEntityTooLarge`, or `UnsupportedMediaType` if compressed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    body = request.get_data()
    # Werkzeug silently truncates a chunked body at the limit.
    if len(body) >= (request.max_content_length or len(body) + 1):
        raise RequestEntityTooLarge
    return body


def _read_leniently(body: bytes) -> object:
    """Parse what jiter refuses but only one record of a batch is invalid for (L12): half of a
    surrogate pair, or a number of any length, which becomes a float. Raises `BadRequest`.
    """
    try:
        return json.loads(
            body.decode(), parse_int=float, parse_constant=_refuse, object_pairs_hook=_once_each
        )
    except (ValueError, RecursionError) as fault:
        why = "it is nested too deeply" if isinstance(fault, RecursionError) else str(fault)
        raise BadRequest(f"The body is not valid JSON in UTF-8: {why}.") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def _checked(model: type[Model], value: object) -> Model:
    """Raises `Invalid` with the first error of each field: that of the type a field really has."""
    if isinstance(value, dict) and len(value) > MOST_FIELDS:
        raise Invalid({"body": f"Must have at most {MOST_FIELDS} fields"})
    try:
        return model.model_validate(value)
    except ValidationError as bad:
        faults: dict[str, str] = {}
        for fault in bad.errors(include_url=False, include_input=False):
            field = str(fault["loc"][0]) if fault["loc"] else "body"
            sentence = SENTENCES.get(fault["type"], OTHERWISE)
            words = sentence.format(**fault.get("ctx", {}))
            faults.setdefault(field, _MEMBER.sub(r"\1", words))
        raise Invalid(faults) from None
