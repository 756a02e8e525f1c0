"""The OpenAPI document and the HTML reference page built from it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from webapp.api.http.codes import CODES, Code
from webapp.api.openapi.operations import JSON
from webapp.api.reference import document
from webapp.extensions import services

blueprint = Blueprint("api_reference", __name__, url_prefix="/api")

Json = Mapping[str, Any]

WRITTEN = "api_document"
"""Key of the serialized document in `app.extensions`."""

FORMATS = {"date-time": "instant", "decimal": "decimal string"}


@blueprint.get("/v1/openapi.json", endpoint="openapi")
def openapi() -> ResponseReturnValue:
    response = Response(_written(), mimetype=JSON)
    response.add_etag(weak=True)
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


@blueprint.get("/docs", endpoint="page")
def page() -> ResponseReturnValue:
    spec = _document()
    return render_template(
        "api_reference/index.html",
        title=spec["info"]["title"],
        version=spec["info"]["version"],
        about=[_prose(text) for text in spec["info"]["description"].split("\n\n")],
        groups=list(_groups(spec)),
        codes=_codes(spec),
        objects=list(_objects(spec)),
    )


@dataclass(frozen=True)
class FieldRow:
    name: str
    type: Markup
    required: bool
    words: Markup


@dataclass(frozen=True)
class AnswerRow:
    status: str
    words: Markup
    codes: tuple[tuple[str, Code], ...]
    fields: tuple[FieldRow, ...]


@dataclass(frozen=True)
class Entry:
    """An operation on the reference page."""

    name: str
    method: str
    path: str
    summary: str
    words: Markup
    scope: str
    parameters: tuple[FieldRow, ...]
    bodies: tuple[tuple[FieldRow, ...], ...]
    """The fields of each alternative body type."""
    example: str
    """A curl command."""
    answers: tuple[AnswerRow, ...]
    problems: tuple[AnswerRow, ...]


def _document() -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(_written()))


def _written() -> str:
    """The serialized document, built once per process."""
    kept = current_app.extensions
    if WRITTEN not in kept:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        spec = document.build(app, services().settings.base_url)
        kept[WRITTEN] = json.dumps(spec, indent=1, ensure_ascii=False)
    return str(kept[WRITTEN])


def _groups(spec: Json) -> Iterator[tuple[str, list[Entry]]]:
    for tag in spec["tags"]:
        yield (
            tag["name"],
            [
                _entry(spec, method.upper(), path, operation)
                for path, methods in spec["paths"].items()
                for method, operation in methods.items()
                if tag["name"] in operation["tags"]
            ],
        )


def _codes(spec: Json) -> list[tuple[str, int, Markup]]:
    """The problem codes that at least one operation can return."""
    used = {
        code
        for methods in spec["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for code in answer.get("x-codes", [])
    }
    return [(n, code.status, _prose(code.meaning)) for n, code in CODES.items() if n in used]


def _entry(spec: Json, method: str, path: str, operation: Json) -> Entry:
    content = operation.get("requestBody", {}).get("content", {})
    sent = content.get(JSON, {})
    answers = [
        _answer(spec, status, response) for status, response in operation["responses"].items()
    ]
    return Entry(
        name=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        words=_prose(operation.get("description", "")),
        scope=operation["security"][0]["key"][0],
        parameters=tuple(
            _row(
                spec,
                item["name"],
                item["schema"],
                item.get("required", False),
                item.get("description"),
            )
            for item in operation.get("parameters", [])
        ),
        bodies=tuple(tuple(_fields(spec, item)) for item in _shapes(sent.get("schema", {}))),
        example=_example(spec, method, path, operation, content),
        answers=tuple(item for item in answers if item.status < "4"),
        problems=tuple(item for item in answers if item.status >= "4"),
    )


def _answer(spec: Json, status: str, response: Json) -> AnswerRow:
    codes = response.get("x-codes", [])
    shape = response.get("content", {}).get(JSON, {}).get("schema", {})
    return AnswerRow(
        status=status,
        words=_prose("" if codes else response["description"]),
        codes=tuple((code, CODES[code]) for code in codes),
        fields=tuple(_fields(spec, shape)),
    )


def _shapes(schema: Json) -> list[Json]:
    return schema.get("oneOf", [schema] if schema else [])


def _objects(spec: Json) -> Iterator[tuple[str, Markup, tuple[FieldRow, ...]]]:
    """Objects that are referenced from other objects."""
    shapes = spec["components"]["schemas"]
    for name in sorted(set(_named_in(shapes))):
        shape = shapes[name]
        yield name, _prose(shape.get("description", "")), tuple(_fields(spec, shape))


def _named_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _named_in(part)


def _fields(spec: Json, schema: Json) -> Iterator[FieldRow]:
    """The rows of an object's fields."""
    shape = _resolved(spec, schema)
    for name, of in shape.get("properties", {}).items():
        yield _row(spec, name, of, name in shape.get("required", ()), of.get("description"))


def _row(spec: Json, name: str, schema: Json, required: bool, words: str | None) -> FieldRow:
    return FieldRow(name, _type(spec, schema), required, _prose(words or ""))


def _type(spec: Json, schema: Json) -> Markup:
    if "anyOf" in schema:
        return Markup(" or ").join(_type(spec, one) for one in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#object-{}">{}</a>').format(name, name)
    if schema.get("type") == "array":
        return Markup("list of {}").format(_type(spec, schema["items"]))
    if "enum" in schema:
        return escape(", ".join(schema["enum"]))
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    named = FORMATS.get(schema.get("format", ""), "string")
    name = escape(" or ".join(named if item == "string" else item for item in types))
    if "maxLength" in schema:
        name += f", at most {schema['maxLength']} characters"
    return name


def _resolved(spec: Json, schema: Json) -> Json:
    ref = schema.get("$ref", "")
    return spec["components"]["schemas"][ref.rpartition("/")[2]] if ref else schema


def _example(spec: Json, method: str, path: str, operation: Json, content: Json) -> str:
    named = re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
    address = spec["servers"][0]["url"] + named
    lines = [f"curl {address}" if method == "GET" else f"curl -X {method} {address}"]
    lines.append('-H "Authorization: Bearer $KEY"')
    lines += [
        f"-H '{item['name']}: {item['schema']['examples'][0]}'"
        for item in operation.get("parameters", [])
        if item["in"] == "header" and item.get("required")
    ]
    examples = content.get(JSON, {}).get("examples", {})
    if examples:
        value = next(iter(examples.values()))["value"]
        lines.append(f'-H "Content-Type: {JSON}"')
        lines.append(f"-d '{json.dumps(value, ensure_ascii=False)}'")
    return " \\\n  ".join(lines)


def _prose(text: str) -> Markup:
    """Render the two marks used in descriptions: `code` and **strong**."""
    pieces = []
    for at, piece in enumerate(text.strip().split("`")):
        if at % 2:
            pieces.append(Markup("<code>{}</code>").format(piece))
            continue
        for under, run in enumerate(piece.split("**")):
            pieces.append(Markup("<strong>{}</strong>").format(run) if under % 2 else escape(run))
    return Markup("").join(pieces)
