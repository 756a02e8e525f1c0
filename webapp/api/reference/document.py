"""The OpenAPI 3.1 document, made from what the endpoints say of themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Rule

from webapp.api.http import idempotency as repeatable
from webapp.api.http import problems
from webapp.api.http.codes import CODES
from webapp.api.openapi.fields import REFERENCE, Whole
from webapp.api.openapi.operations import CSV, JSON, Group, Operation, operation_of
from webapp.api.openapi.schemas import Schemas

VERSION = "1.0.0"

ABOUT = """\
The machine's door to a prepaid account: post usage, read the balance, and do whatever the account's
people can do on their screens.

**Keys.** Send `Authorization: Bearer KEY`. A key has scopes; each operation names its own.

**Money** is a decimal string, never a number: `"12.34"`. Usage may have six decimals, payments and
settings two.

**Instants** are in UTC, as in `2026-11-22T10:00:00Z`.

**Problems** are `application/problem+json` (RFC 9457). `code` is stable and made for programs;
`detail` is a sentence for people and may change.

**Repeating.** Every POST takes an `Idempotency-Key` of your own. The same key with the same request
brings the same answer for 24 hours and does nothing twice; with another request it is refused with
409. A request that was refused did nothing, and its key is free again. Usage is also known by its
`reference`, for good.

**Reads** carry an `ETag`; `If-None-Match` answers 304 where nothing is new. Settings and order are
replaced only under the `If-Match` of what you have read.

**Pages.** Lists come newest first, with `next_cursor`; send it back as `cursor` until it is null.

**Rates.** `RateLimit-Policy` and `RateLimit` tell how much a key may ask, and what is left.

**Versions.** Within `/api/v1` fields, operations and problem codes are added and none are removed
or renamed; ignore what you do not know. What is to go away is marked `deprecated` here and sends
`Deprecation` and `Sunset` headers for at least twelve months before it does.
"""


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    name: str
    """Of its handler: the operation's id."""
    rule: Rule
    said: Operation
    repeatable: bool
    """It takes an `Idempotency-Key`."""


def endpoints(app: Flask) -> Iterator[Endpoint]:
    """By group, then as they stand in the code."""
    found = []
    for order, rule in enumerate(app.url_map.iter_rules()):
        view = app.view_functions.get(rule.endpoint)
        if (said := operation_of(view)) is None or rule.methods is None:
            continue
        [method] = rule.methods - {"HEAD", "OPTIONS"}
        name = rule.endpoint.rpartition(".")[2]
        again = getattr(view, "is_repeatable", False)
        found.append((order, Endpoint(method, _path(rule), name, rule, said, again)))
    groups = list(Group)
    found.sort(key=lambda it: (groups.index(it[1].said.group), it[0]))
    return (endpoint for _, endpoint in found)


def build(app: Flask, address: str) -> dict[str, Any]:
    """`address`: where this installation is reached."""
    schemas = Schemas()
    schemas.of(problems.ProblemDetails)
    paths: dict[str, dict[str, object]] = {}
    groups = []
    for endpoint in endpoints(app):
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
        if endpoint.said.group not in groups:
            groups.append(endpoint.said.group)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ballast API", "version": VERSION, "description": ABOUT},
        "servers": [{"url": address}],
        "tags": [{"name": str(group)} for group in groups],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.named.items())),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, from Settings, API keys.",
                }
            },
        },
        "security": [{"key": []}],
    }


def codes_of(endpoint: Endpoint) -> list[str]:
    """Every problem that this operation can answer with, as `CODES` has them."""
    said = endpoint.said
    codes = {"unauthorized", "insufficient_scope", "address_not_allowed", "too_many_requests"}
    codes |= {"internal_error", "updating", "unavailable", *said.problems}
    if said.body is not None:
        codes |= {"bad_request", "request_entity_too_large", "unsupported_media_type", "invalid"}
    if said.query is not None or endpoint.repeatable:
        codes.add("invalid")
    if endpoint.repeatable:
        codes |= {"idempotency_key_reused", "idempotency_in_progress"}
    if endpoint.rule.arguments:
        codes |= {"not_found", "method_not_allowed"}
    if said.if_match:
        codes |= {"stale", "precondition_required"}
    return [code for code in CODES if code in codes]


def _path(rule: Rule) -> str:
    return "".join(f"{{{text}}}" if is_name else text for is_name, text in rule._trace[1:])  # noqa: SLF001


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, object]:
    said = endpoint.said
    told: dict[str, object] = {
        "operationId": endpoint.name,
        "tags": [str(said.group)],
        "summary": said.summary,
        "security": [{"key": [str(said.scope)]}],
    }
    if said.words:
        told["description"] = said.words
    if parameters := [*_parameters(endpoint, schemas)]:
        told["parameters"] = parameters
    if said.body is not None:
        told["requestBody"] = _body(said, schemas)
    told["responses"] = _answers(endpoint, schemas)
    return told


def _parameters(endpoint: Endpoint, schemas: Schemas) -> Iterator[dict[str, object]]:
    said = endpoint.said
    for name in sorted(endpoint.rule.arguments):
        whole = isinstance(endpoint.rule._converters[name], IntegerConverter)  # noqa: SLF001
        schema = dict((Whole(1) if whole else REFERENCE).schema)
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if said.query is not None:
        for name, schema in schemas.parameters(said.query).items():
            words = schema.pop("description", "")
            yield {"name": name, "in": "query", "description": words, "schema": schema}
    if endpoint.repeatable:
        yield {
            "name": repeatable.HEADER,
            "in": "header",
            "description": "Of your own making, new for each thing that is to happen.",
            "schema": {"type": "string", "pattern": f"^{repeatable.PATTERN}$"},
        }
    if said.if_match:
        yield {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": "The `ETag` of what you have read.",
            "schema": {"type": "string", "minLength": 1, "examples": ['"7"']},
        }


def _body(said: Operation, schemas: Schemas) -> dict[str, object]:
    with schemas.closed():
        schema = schemas.of(said.body)
    media: dict[str, object] = {"schema": schema}
    if said.examples:
        media["examples"] = {name: {"value": value} for name, value in said.examples.items()}
    content: dict[str, object] = {JSON: media}
    if said.csv:
        lines = {"type": "string", "format": "csv"}
        content[CSV] = {"schema": lines, "examples": {"csv": {"value": said.csv}}}
    return {"required": not said.body_is_optional, "content": content}


def _answers(endpoint: Endpoint, schemas: Schemas) -> dict[str, object]:
    said = endpoint.said
    told: dict[str, object] = {
        str(said.status): _success(endpoint, HTTPStatus(said.status).phrase, said.answer, schemas)
    }
    for status, (when, shape) in said.also.items():
        told[str(status)] = _success(endpoint, when, shape, schemas)
    if said.has_etag and endpoint.method == "GET":
        told["304"] = {"description": "What you have read is still so."}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(endpoint):
        by_status.setdefault(CODES[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        shape = (
            said.problem if said.problem and status in (409, 412, 422) else problems.ProblemDetails
        )
        told[str(status)] = _problem(status, codes, schemas.of(shape))
    return told


def _success(endpoint: Endpoint, when: str, shape: object, schemas: Schemas) -> dict[str, object]:
    told: dict[str, object] = {"description": when, "headers": _headers(endpoint.said)}
    if shape is not None:
        told["content"] = {JSON: {"schema": schemas.of(shape)}}
    if endpoint.said.links:
        told["links"] = {
            name: {
                "operationId": link.operation,
                "parameters": {link.parameter: f"$response.body#{link.at}"} if link.at else {},
            }
            for name, link in endpoint.said.links.items()
        }
    return told


def _headers(said: Operation) -> dict[str, object]:
    text = {"type": "string"}
    headers: dict[str, object] = {
        "RateLimit-Policy": {"description": "What a key may ask in how long.", "schema": text},
        "RateLimit": {"description": "What is left, and for how long.", "schema": text},
    }
    if said.has_etag:
        headers["ETag"] = {"description": "Names what you have read.", "schema": text}
    return headers


def _problem(status: int, codes: list[str], schema: Mapping[str, object]) -> dict[str, object]:
    told: dict[str, object] = {
        "description": "\n".join(f"- `{code}`: {CODES[code].meaning}" for code in codes),
        "content": {problems.MEDIA_TYPE: {"schema": dict(schema)}},
        "x-codes": codes,
    }
    if status in (429, 503):
        told["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
    return told
