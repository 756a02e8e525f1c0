"""The OpenAPI document and the HTML reference page built from it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from webapp.api.http.codes import CODES
from webapp.api.openapi.operations import JSON
from webapp.api.reference import document
from webapp.extensions import services

blueprint = Blueprint("api_reference", __name__, url_prefix="/api")

Json = Mapping[str, Any]

OPERATIONS = "api_operations"
"""Key of the operations in `app.extensions`."""

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
    spec = Reference(json.loads(_written()))
    info = spec.document["info"]
    return render_template(
        "api_reference/index.html",
        title=info["title"],
        version=info["version"],
        about=[_prose(text) for text in info["description"].split("\n\n")],
        groups=list(spec.groups()),
        webhooks=[spec.webhook(name, it["post"]) for name, it in spec.document["webhooks"].items()],
        codes=[(name, it.status, _prose(it.meaning)) for name, it in CODES.items()],
        objects=list(spec.objects()),
    )


def _written() -> str:
    """The serialized document, built once per process."""
    kept = current_app.extensions
    if WRITTEN not in kept:
        spec = document.build(kept[OPERATIONS], services().settings.base_url)
        kept[WRITTEN] = json.dumps(spec, indent=1, ensure_ascii=False)
    return str(kept[WRITTEN])


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
    fields: tuple[FieldRow, ...]
    example: str


@dataclass(frozen=True)
class Entry:
    """An operation or a webhook on the reference page."""

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
    """A curl command; a webhook's body."""
    answers: tuple[AnswerRow, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """The rows of the page, read from the document."""

    document: Json

    def groups(self) -> Iterator[tuple[str, Markup, list[Entry]]]:
        operations = [
            (path, method.upper(), operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        ]
        for tag in self.document["tags"]:
            mine = [self.entry(*it) for it in operations if tag["name"] in it[2]["tags"]]
            yield tag["name"], _prose(tag["description"]), mine

    def entry(self, path: str, method: str, operation: Json) -> Entry:
        parameters = [self._resolved(it) for it in operation.get("parameters", ())]
        responses = {status: self._resolved(it) for status, it in operation["responses"].items()}
        content = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
        schema = content.get("schema", {})
        return Entry(
            name=operation["operationId"],
            method=method,
            path=path,
            summary=operation["summary"],
            words=_prose(operation["description"]),
            scope=operation["security"][0]["key"][0],
            parameters=tuple(
                self._row(it["name"], {**it["schema"], **it}, it.get("required", False))
                for it in parameters
            ),
            bodies=tuple(self._fields(it) for it in schema.get("oneOf", [schema]) if it),
            example=self._curl(path, method, parameters, content),
            answers=tuple(
                self._answer(status, it) for status, it in responses.items() if status < "4"
            ),
            codes=tuple(code for it in responses.values() for code in it.get("x-codes", ())),
        )

    def webhook(self, name: str, operation: Json) -> Entry:
        content = operation["requestBody"]["content"][JSON]
        fields = self._fields(content["schema"])
        summary, words = operation["summary"], _prose(operation["description"])
        sent = _json(content["example"])
        return Entry(name, "POST", name, summary, words, "", (), (fields,), sent, (), ())

    def objects(self) -> Iterator[tuple[str, Markup, tuple[FieldRow, ...]]]:
        """Objects that are referenced from other objects."""
        shapes = self.document["components"]["schemas"]
        for name in sorted(set(re.findall(r"#/components/schemas/(\w+)", json.dumps(shapes)))):
            if "properties" in shapes[name]:
                yield name, _prose(shapes[name]["description"]), self._fields(shapes[name])

    def _answer(self, status: str, response: Json) -> AnswerRow:
        content = response.get("content", {}).get(JSON, {})
        fields = self._fields(content["schema"]) if content else ()
        example = _json(content["example"]) if content else ""
        return AnswerRow(status, _prose(response["description"]), fields, example)

    def _fields(self, schema: Json) -> tuple[FieldRow, ...]:
        shape = self._resolved(schema)
        return tuple(
            self._row(name, of, name in shape.get("required", ()))
            for name, of in shape["properties"].items()
        )

    def _row(self, name: str, schema: Json, required: bool) -> FieldRow:
        return FieldRow(name, self._type(schema), required, _prose(schema["description"]))

    def _type(self, schema: Json) -> Markup:
        if "anyOf" in schema:
            return Markup(" or ").join(self._type(one) for one in schema["anyOf"])
        resolved = self._resolved(schema)
        if "properties" in resolved:
            name = schema["$ref"].rpartition("/")[2]
            return Markup('<a href="#object-{}">{}</a>').format(name, name)
        if resolved["type"] == "array":
            return Markup("list of {}").format(self._type(resolved["items"]))
        if words := resolved.get("enum") or resolved.get("x-extensible-enum"):
            return escape(", ".join(words))
        known = FORMATS.get(resolved.get("format", ""), str(resolved["type"]))
        longest = f", at most {resolved['maxLength']} characters" if "maxLength" in resolved else ""
        return escape(known + longest)

    def _resolved(self, value: Json) -> Json:
        if "$ref" not in value:
            return value
        found: Any = self.document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return cast(Json, found)

    def _curl(self, path: str, method: str, parameters: list[Json], content: Json) -> str:
        named = re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
        address = self.document["servers"][0]["url"] + named
        lines = [f"curl {address}" if method == "GET" else f"curl -X {method} {address}"]
        lines.append('-H "Authorization: Bearer $KEY"')
        needed = [it for it in parameters if it["in"] == "header" and it.get("required")]
        lines += [f"-H '{it['name']}: {it['example']}'" for it in needed]
        if content:
            value = next(iter(content["examples"].values()))["value"]
            lines.append(f'-H "Content-Type: {JSON}"')
            lines.append(f"-d '{json.dumps(value, ensure_ascii=False)}'")
        return " \\\n  ".join(lines)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _prose(text: str) -> Markup:
    """Render the two marks used in descriptions: `code` and **strong**."""
    pieces = []
    for piece in re.split(r"(`.+?`|\*\*.+?\*\*)", text.strip()):
        if piece.startswith("`"):
            pieces.append(Markup("<code>{}</code>").format(piece[1:-1]))
        elif piece.startswith("**"):
            pieces.append(Markup("<strong>{}</strong>").format(piece[2:-2]))
        else:
            pieces.append(escape(piece))
    return Markup("").join(pieces)
