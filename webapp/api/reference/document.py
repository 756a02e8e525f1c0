"""The OpenAPI 3.1 document, built from the operations; pydantic describes bodies and answers."""

import re
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from webapp.api.http import problems
from webapp.api.http.codes import CODES
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.openapi.operations import CSV, JSON, Group, Operation
from webapp.api.reference.components import (
    ABOUT,
    ALWAYS,
    HEADERS,
    KEY,
    PARAMETERS,
    PATH_PARAMETERS,
    REF,
    SHARED,
    TAGS,
    VERSION,
)
from webapp.api.reference.examples import EXAMPLES
from webapp.api.reference.webhooks import WEBHOOKS, event_type, example
from webapp.domain.webhooks.endpoint import EventKind


class Schemas(GenerateJsonSchema):
    """Pydantic's schemas, without the titles that it makes of field names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        described = super().default_schema(schema)
        # An answer's field that can be absent has no default; null is the default of all others.
        default = described.get("default", "")
        # An amount's default is micros, which no client can send.
        is_micros = described.get("type") == "string" and not isinstance(default, str)
        if self.mode == "serialization" or default is None or is_micros:
            described.pop("default", None)
        return described


def build(operations: Iterable[Operation], address: str) -> dict[str, Any]:
    """Build the document; `address` is the installation's base URL."""
    ordered = sorted(operations, key=lambda it: list(Group).index(it.group))
    paths: dict[str, dict[str, object]] = {}
    for it in ordered:
        paths.setdefault(path_of(it), {})[it.method.lower()] = _operation(it)
    info = {"title": "Ballast API", "version": VERSION, "description": ABOUT}
    return {
        "openapi": "3.1.0",
        "info": info | {"license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": address}],
        "tags": [{"name": str(group), "description": words} for group, words in TAGS.items()],
        "paths": paths,
        "webhooks": {str(kind): {"post": _webhook(kind)} for kind in WEBHOOKS},
        "components": {
            "schemas": _schemas(ordered),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": {_shared(it): _problem(it, codes) for it, codes in SHARED.items()},
            "securitySchemes": {"key": KEY},
        },
        "security": [{"key": []}],
    }


def path_of(it: Operation) -> str:
    """The path in OpenAPI's notation."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", it.path)


def codes_of(it: Operation) -> list[str]:
    """All problem codes that the operation can return, in the order of `CODES`."""
    codes = {*ALWAYS, *it.problems}
    if it.body:
        codes |= {"bad_request", "request_entity_too_large", "unsupported_media_type", "invalid"}
    if it.query is not None or it.is_repeatable:
        codes.add("invalid")
    if it.is_repeatable:
        codes |= {"idempotency_key_reused", "idempotency_in_progress"}
    if it.requires_key:
        codes.add("idempotency_key_required")
    if it.shows_secret:
        codes.add("answer_not_kept")
    if "<" in it.path:
        codes |= {"not_found", "method_not_allowed"}
    if it.if_match:
        codes |= {"stale", "precondition_required"}
    return [code for code in CODES if code in codes]


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    sent = [body for it in operations for body in it.body]
    answers = [shape for it in operations for shape in (it.answer, it.problem) if shape]
    answers += [ProblemDetails, *(event_type(kind) for kind in WEBHOOKS)]
    found = _defs(answers, "serialization") | _defs(sent, "validation")
    for query in filter(None, (it.query for it in operations)):
        found |= _described(query).get("$defs", {})
    for it in operations:
        if it.method == "PATCH":
            # A field that is left out stays as it is. A generated client would send a default.
            for field in found[it.body[0].__name__]["properties"].values():
                field.pop("default", None)
    for schema in found.values():
        for field in schema.get("properties", {}).values():
            if "x-extensible-enum" in repr(field):
                field["description"] += " Values may be added."
    return dict(sorted(found.items()))


def _defs(models: Iterable[Any], mode: JsonSchemaMode) -> dict[str, Any]:
    pairs = [(model, mode) for model in dict.fromkeys(models)]
    _, found = models_json_schema(pairs, ref_template=REF, schema_generator=Schemas)
    return {
        name: schema
        for name, schema in found["$defs"].items()
        # An answer's enums stand where they are used, because their values may grow.
        if mode == "validation" or "enum" not in schema
    }


def _described(query: Any) -> dict[str, Any]:
    described: dict[str, Any] = query.model_json_schema(ref_template=REF, schema_generator=Schemas)
    return described


def _operation(it: Operation) -> dict[str, object]:
    described: dict[str, object] = {
        "operationId": it.name,
        "tags": [str(it.group)],
        "summary": it.summary,
        "description": it.words,
        "security": [{"key": [str(scope)]} for scope in it.scopes],
        "responses": dict(_responses(it)),
    }
    if parameters := [*_parameters(it)]:
        described["parameters"] = parameters
    if it.body:
        described["requestBody"] = _body(it)
    return described


def _parameters(it: Operation) -> Iterator[dict[str, object]]:
    for name in re.findall(r"<(?:\w+:)?(\w+)>", it.path):
        yield {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]}
    if it.query is not None:
        for name, schema in _described(it.query)["properties"].items():
            yield {"name": name, "in": "query", "description": schema.pop("description")} | {
                "schema": schema
            }
    if it.is_repeatable:
        name = "RequiredIdempotencyKey" if it.requires_key else "IdempotencyKey"
        yield {"$ref": f"#/components/parameters/{name}"}
    if it.if_match:
        yield {"$ref": "#/components/parameters/IfMatch"}


def _body(it: Operation) -> dict[str, object]:
    shapes = [_ref(body) for body in it.body]
    examples = {name: {"value": value} for name, value in it.examples.items()}
    schema = shapes[0] if len(shapes) == 1 else {"oneOf": shapes}
    content: dict[str, object] = {JSON: {"schema": schema, "examples": examples}}
    if it.csv:
        lines = {"type": "string", "format": "csv"}
        content[CSV] = {"schema": lines, "examples": {"csv": {"value": it.csv}}}
    return {"required": not it.body_is_optional, "content": content}


def _responses(it: Operation) -> Iterator[tuple[str, object]]:
    yield str(it.status), _success(it, HTTPStatus(it.status).phrase)
    for status, when in it.also.items():
        yield str(status), _success(it, when)
    if it.method == "GET":
        yield "304", {"description": "The resource is unchanged."}
    by_status: dict[int, tuple[str, ...]] = {}
    for code in codes_of(it):
        by_status[CODES[code].status] = (*by_status.get(CODES[code].status, ()), code)
    for status, codes in sorted(by_status.items()):
        own = it.problem if status in (402, 403, 409, 412, 422) else None
        if own is None and SHARED.get(status) == codes:
            yield str(status), {"$ref": f"#/components/responses/{_shared(status)}"}
        else:
            yield str(status), _problem(status, codes, own or ProblemDetails)


def _success(it: Operation, when: str) -> dict[str, object]:
    headers = ["X-Request-Id", "RateLimit-Policy", "RateLimit", *(["ETag"] if it.has_etag else [])]
    response: dict[str, object] = {"description": when, "headers": _headers(headers)}
    if it.answer:
        shown = EXAMPLES[it.answer].model_dump(mode="json", exclude_unset=True)
        response["content"] = {JSON: {"schema": _ref(it.answer), "example": shown}}
    if it.links:
        response["links"] = {
            name: {
                "operationId": link.operation,
                "parameters": {link.parameter: f"$response.body#{link.at}"} if link.at else {},
            }
            for name, link in it.links.items()
        }
    return response


def _problem(status: int, codes: Sequence[str], shape: Any = ProblemDetails) -> dict[str, object]:
    examples = {}
    for code in codes:
        shown = problems.body(Problem(status, CODES[code].meaning.replace("`", ""), code))
        if code in ("invalid", "too_large"):
            shown |= {"errors": {"amount": "Must be above zero"}}
        examples[code] = {"value": shown}
    response: dict[str, object] = {
        "description": "\n".join(f"- `{code}`: {CODES[code].meaning}" for code in codes),
        "content": {problems.MEDIA_TYPE: {"schema": _ref(shape), "examples": examples}},
        "x-codes": list(codes),
    }
    return response | ({"headers": _headers(["Retry-After"])} if status in (429, 503) else {})


def _webhook(kind: EventKind) -> dict[str, object]:
    sent = {
        "schema": _ref(event_type(kind)),
        "example": example(kind).model_dump(mode="json", exclude_unset=True),
    }
    return {
        "operationId": f"on_{kind.replace('.', '_')}",
        "tags": [str(Group.WEBHOOKS)],
        "summary": WEBHOOKS[kind].when,
        "description": "Signed as specified by Standard Webhooks. An event can arrive twice.",
        "security": [],
        "requestBody": {"required": True, "content": {JSON: sent}},
        "responses": {
            "2XX": {"description": "Received."},
            "410": {"description": "The endpoint is switched off."},
            "default": {"description": "The event is sent again later."},
        },
    }


def _ref(model: Any) -> dict[str, object]:
    return {"$ref": REF.format(model=model.__name__)}


def _headers(names: Iterable[str]) -> dict[str, object]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _shared(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")
