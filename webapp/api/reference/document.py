"""The OpenAPI 3.1 document, built from the endpoints' `@operation` descriptions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Rule

from webapp.api.http import idempotency, problems
from webapp.api.http.codes import CODES
from webapp.api.openapi.fields import REFERENCE, Whole
from webapp.api.openapi.operations import CSV, JSON, Group, Operation, operation_of
from webapp.api.openapi.schemas import Schemas

VERSION = "1.0.0"

ABOUT = """\
The Ballast API manages a prepaid account: post usage, read the balance, and do the same as on the
account's billing pages.

**Authentication.** Send `Authorization: Bearer KEY`. A key has scopes; each operation names the
scope that it requires.

**Amounts** are decimal strings, never numbers: `"12.34"`. Usage can have six decimals, payments and
settings two.

**Dates and times** are in UTC, as in `2026-11-22T10:00:00Z`.

**Errors** are `application/problem+json` (RFC 9457). `code` is stable and meant for programs;
`detail` is a sentence for people and may change.

**Idempotency.** Every POST accepts an `Idempotency-Key`, which you choose. For 24 hours, the same
key with the same request returns the same response without a second effect. The same key with a
different request returns 409. A refused request has no effect, and its key can be used again. A
usage record is also identified by its `reference`, permanently.

**Caching and concurrency.** Reads return an `ETag`; with `If-None-Match`, an unchanged resource
returns 304. Replacing the settings or the order of methods requires `If-Match` with the `ETag` of
your last read.

**Pagination.** Lists return the newest items first and a `next_cursor`. Send it as `cursor` to get
the next page; on the last page it is null.

**Rate limits.** The `RateLimit-Policy` and `RateLimit` headers state the key's quota and what is
left of it.

**Versioning.** Within `/api/v1`, fields, operations and problem codes may be added but are never
removed or renamed; ignore those you do not know. Anything that will be retired is marked
`deprecated` here and sends `Deprecation` and `Sunset` headers for at least twelve months before.
"""


PATH_PARAMETERS = {
    "reference": "The reference of the hold.",
    "method_id": "The id of the payment method.",
    "payment_id": "The id of the payment.",
    "endpoint_id": "The id of the webhook endpoint.",
    "delivery_id": "The id of the delivery.",
}


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    name: str
    """The handler's name, which is the operation id."""
    rule: Rule
    operation: Operation
    repeatable: bool
    """Whether it accepts an `Idempotency-Key`."""


def endpoints(app: Flask) -> Iterator[Endpoint]:
    """All endpoints, by group and then in the order of the code."""
    found = []
    for order, rule in enumerate(app.url_map.iter_rules()):
        view = app.view_functions.get(rule.endpoint)
        if (operation := operation_of(view)) is None or rule.methods is None:
            continue
        [method] = rule.methods - {"HEAD", "OPTIONS"}
        name = rule.endpoint.rpartition(".")[2]
        again = getattr(view, "is_repeatable", False)
        found.append((order, Endpoint(method, _path(rule), name, rule, operation, again)))
    groups = list(Group)
    found.sort(key=lambda item: (groups.index(item[1].operation.group), item[0]))
    return (endpoint for _, endpoint in found)


def build(app: Flask, address: str) -> dict[str, Any]:
    """Build the document; `address` is the installation's base URL."""
    schemas = Schemas()
    schemas.of(problems.ProblemDetails)
    paths: dict[str, dict[str, object]] = {}
    groups = []
    for endpoint in endpoints(app):
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
        if endpoint.operation.group not in groups:
            groups.append(endpoint.operation.group)
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
                    "description": "An API key. Create one under Settings > API keys.",
                }
            },
        },
        "security": [{"key": []}],
    }


def codes_of(endpoint: Endpoint) -> list[str]:
    """All problem codes that the operation can return, in the order of `CODES`."""
    operation = endpoint.operation
    codes = {"unauthorized", "insufficient_scope", "address_not_allowed", "too_many_requests"}
    codes |= {"internal_error", "updating", "unavailable", *operation.problems}
    if operation.body is not None:
        codes |= {"bad_request", "request_entity_too_large", "unsupported_media_type", "invalid"}
    if operation.query is not None or endpoint.repeatable:
        codes.add("invalid")
    if endpoint.repeatable:
        codes |= {"idempotency_key_reused", "idempotency_in_progress"}
    if endpoint.rule.arguments:
        codes |= {"not_found", "method_not_allowed"}
    if operation.if_match:
        codes |= {"stale", "precondition_required"}
    return [code for code in CODES if code in codes]


def _path(rule: Rule) -> str:
    return "".join(f"{{{text}}}" if is_name else text for is_name, text in rule._trace[1:])  # noqa: SLF001


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, object]:
    operation = endpoint.operation
    result: dict[str, object] = {
        "operationId": endpoint.name,
        "tags": [str(operation.group)],
        "summary": operation.summary,
        "security": [{"key": [str(operation.scope)]}],
    }
    if operation.words:
        result["description"] = operation.words
    if parameters := [*_parameters(endpoint, schemas)]:
        result["parameters"] = parameters
    if operation.body is not None:
        result["requestBody"] = _body(operation, schemas)
    result["responses"] = _answers(endpoint, schemas)
    return result


def _parameters(endpoint: Endpoint, schemas: Schemas) -> Iterator[dict[str, object]]:
    operation = endpoint.operation
    for name in sorted(endpoint.rule.arguments):
        whole = isinstance(endpoint.rule._converters[name], IntegerConverter)  # noqa: SLF001
        schema = dict((Whole(1) if whole else REFERENCE).schema)
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": schema,
        }
    if operation.query is not None:
        for name, schema in schemas.parameters(operation.query).items():
            words = schema.pop("description", "")
            yield {"name": name, "in": "query", "description": words, "schema": schema}
    if endpoint.repeatable:
        yield {
            "name": idempotency.HEADER,
            "in": "header",
            "description": "A unique value of your choice. Use a new one for each new request.",
            "schema": {"type": "string", "pattern": f"^{idempotency.PATTERN}$"},
        }
    if operation.if_match:
        yield {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": "The `ETag` of your last read.",
            "schema": {"type": "string", "minLength": 1, "examples": ['"7"']},
        }


def _body(operation: Operation, schemas: Schemas) -> dict[str, object]:
    with schemas.closed():
        schema = schemas.of(operation.body)
    media: dict[str, object] = {"schema": schema}
    if operation.examples:
        media["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
    content: dict[str, object] = {JSON: media}
    if operation.csv:
        lines = {"type": "string", "format": "csv"}
        content[CSV] = {"schema": lines, "examples": {"csv": {"value": operation.csv}}}
    return {"required": not operation.body_is_optional, "content": content}


def _answers(endpoint: Endpoint, schemas: Schemas) -> dict[str, object]:
    operation = endpoint.operation
    result: dict[str, object] = {
        str(operation.status): _success(
            endpoint, HTTPStatus(operation.status).phrase, operation.answer, schemas
        )
    }
    for status, (when, shape) in operation.also.items():
        result[str(status)] = _success(endpoint, when, shape, schemas)
    if operation.has_etag and endpoint.method == "GET":
        result["304"] = {"description": "The resource is unchanged."}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(endpoint):
        by_status.setdefault(CODES[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        shape = (
            operation.problem
            if operation.problem and status in (409, 412, 422)
            else problems.ProblemDetails
        )
        result[str(status)] = _problem(status, codes, schemas.of(shape))
    return result


def _success(endpoint: Endpoint, when: str, shape: object, schemas: Schemas) -> dict[str, object]:
    result: dict[str, object] = {"description": when, "headers": _headers(endpoint.operation)}
    if shape is not None:
        result["content"] = {JSON: {"schema": schemas.of(shape)}}
    if endpoint.operation.links:
        result["links"] = {
            name: {
                "operationId": link.operation,
                "parameters": {link.parameter: f"$response.body#{link.at}"} if link.at else {},
            }
            for name, link in endpoint.operation.links.items()
        }
    return result


def _headers(operation: Operation) -> dict[str, object]:
    text = {"type": "string"}
    headers: dict[str, object] = {
        "RateLimit-Policy": {
            "description": "The quota of requests (`q`) per window in seconds (`w`).",
            "schema": text,
        },
        "RateLimit": {
            "description": "The requests left (`r`) and the seconds until the window ends (`t`).",
            "schema": text,
        },
    }
    if operation.has_etag:
        headers["ETag"] = {"description": "The version of the resource.", "schema": text}
    return headers


def _problem(status: int, codes: list[str], schema: Mapping[str, object]) -> dict[str, object]:
    result: dict[str, object] = {
        "description": "\n".join(f"- `{code}`: {CODES[code].meaning}" for code in codes),
        "content": {problems.MEDIA_TYPE: {"schema": dict(schema)}},
        "x-codes": codes,
    }
    if status in (429, 503):
        result["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}
        }
    return result
