"""JSON objects as frozen dataclasses: request parsing and JSON Schema from the same definition.

A field with a default is optional. The docstring below a field is its description in the document.
"""

import ast
import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from textwrap import dedent
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from werkzeug.datastructures import MultiDict

from webapp.api.openapi.fields import DECIMAL, Bad, Instant, Kind, Many, Switch, Whole
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import DecimalText

Shape = TypeVar("Shape")
Reader = Callable[[object], object]

UNKNOWN = "Unknown field"
MISSING_FIELD = "Required"

PLAIN: Mapping[object, Kind] = {
    bool: Switch(),
    int: Whole(),
    datetime: Instant(),
    DecimalText: DECIMAL,
}


COMMON_DESCRIPTIONS = {
    "id": "The id of the record.",
    "type": "Always `about:blank`; use `code`.",
    "status": "The HTTP status.",
    "kind": "The kind. More kinds may be added.",
    "amount": "The amount, in the account's currency.",
    "balance": "The account's balance.",
    "balance_after": "The balance after this entry.",
    "currency": "The ISO 4217 code of the account's currency.",
    "reference": "Your reference.",
    "description": "The text for the statement.",
    "sentence": "The decision and its reason, as a sentence for people.",
    "next_cursor": "The cursor of the next page; null on the last page.",
    "decisions": "The decisions on this page.",
    "deliveries": "The deliveries on this page.",
    "entries": "The ledger entries on this page.",
    "payments": "The payments on this page.",
    "holds": "All open holds.",
    "payment_method": "The id of the payment method.",
    "payment_methods": "All payment methods.",
    "method_name": "The name of the payment method, such as `Visa •••• 4242`.",
    "brand": "The card's brand; empty for PayPal.",
    "last4": "The card's last four digits; empty for PayPal.",
    "webhook_endpoints": "All webhook endpoints.",
    "url": "The URL of the webhook endpoint.",
    "name": "The name, shown next to the URL.",
    "event": "The name of the event.",
    "events": "The names of the events that are sent.",
    "on": "Whether it is switched on.",
    "tries": "The number of delivery attempts.",
    "first_at": "When the decision was first made.",
    "last_at": "When the decision was last repeated.",
    "added_at": "When the method was added.",
    "created_at": "When the record was created.",
    "opened_at": "When the hold was opened.",
    "expires_at": "When the hold expires.",
    "ended_at": "When the hold ended; null while it is open.",
    "started_at": "When the attempt started.",
    "answered_at": "When the processor answered; null before.",
    "settled_at": "When the outcome was settled; null before.",
    "occurred_at": "When it occurred.",
    "posted_at": "When it was posted to the ledger.",
    "last_try_at": "When the last delivery attempt was made.",
    "next_try_at": "When the next delivery attempt is due; null if there is none.",
}
"""Descriptions of fields without a docstring of their own."""


# Reading


def read(shape: type[Shape], sent: object, name: str = "body") -> Shape:
    """Parse a JSON object. Raises `Invalid` with an error for each bad field."""
    if not isinstance(sent, Mapping):
        raise Invalid({name: "Must be an object"})
    known = _readers(cast(Any, shape))
    faults = {str(field): UNKNOWN for field in sent if field not in known}
    values: dict[str, object] = {}
    for field, (reader, required) in known.items():
        if field not in sent:
            if required:
                faults[field] = MISSING_FIELD
            continue
        try:
            values[field] = reader(sent[field])
        except Bad as bad:
            faults[field] = str(bad)
    if faults:
        raise Invalid(faults)
    return shape(**values)


def read_query(shape: type[Shape], sent: "MultiDict[str, str]") -> Shape:
    """Parse query parameters. Raises `Invalid`."""
    twice = {name: "Given more than once" for name, values in sent.lists() if len(values) > 1}
    if twice:
        raise Invalid(twice)
    hints = get_type_hints(shape, include_extras=True)
    return read(shape, {name: _unquoted(hints.get(name), text) for name, text in sent.items()})


def _unquoted(hint: object, text: str) -> object:
    """Convert a numeric query parameter, which arrives as text."""
    if isinstance(_kind_of(_without_none(hint)), Whole) and text.isascii() and text.isdigit():
        return float(text)
    return text


@cache
def _readers(shape: Any) -> dict[str, tuple[Reader, bool]]:
    hints = get_type_hints(shape, include_extras=True)
    return {
        field.name: (_reader(hints[field.name]), _is_required(field)) for field in fields(shape)
    }


def _reader(hint: Any) -> Reader:
    if (bare := _without_none(hint)) is not hint:
        return partial(_read_or_none, _reader(bare))
    if (kind := _kind_of(hint)) is not None:
        return kind.read
    items, many = _items_of(hint)
    if items is not None:
        return partial(_read_list, _reader(items), many)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return partial(_read_word, hint)
    raise TypeError(f"{hint} is not read from requests")


def _read_or_none(reader: Reader, value: object) -> object:
    return None if value is None else reader(value)


def _read_list(reader: Reader, many: Many, value: object) -> tuple[object, ...]:
    if not isinstance(value, list) or not many.least <= len(value) <= many.most:
        raise Bad(f"Must be a list of {many.least} to {many.most:,} items")
    return tuple(reader(item) for item in value)


def _read_word(words: type[StrEnum], value: object) -> StrEnum:
    if not isinstance(value, str) or value not in set(words):
        raise Bad(f"Must be one of {', '.join(words)}")
    return words(value)


# Describing


class Schemas:
    """Collects the document's component schemas while it is built."""

    def __init__(self) -> None:
        self.named: dict[str, object] = {}
        self._closed = False

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Generate request schemas: unknown fields are refused. Responses may gain fields."""
        self._closed = True
        yield
        self._closed = False

    def of(self, hint: Any) -> dict[str, object]:
        """The JSON Schema of a type; for an object, a reference to its component."""
        bare = _without_none(hint)
        if bare is not hint:
            return self._or_null(bare)
        if (kind := _kind_of(hint)) is not None:
            return dict(kind.schema)
        items, many = _items_of(hint)
        if items is not None:
            bounds = {"minItems": many.least, "maxItems": many.most} if self._closed else {}
            return {"type": "array", "items": self.of(items), **bounds}
        if hint is str:
            return {"type": "string"}
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return {"type": "string", "enum": [str(word) for word in hint]}
        if is_dataclass(hint) and isinstance(hint, type):
            return self._named(hint)
        if hint == dict[str, str]:
            return {"type": "object", "additionalProperties": {"type": "string"}}
        if get_origin(hint) in (Union, UnionType):
            return {"oneOf": [self.of(one) for one in get_args(hint)]}
        raise TypeError(f"{hint} has no JSON Schema")

    def parameters(self, shape: type) -> dict[str, dict[str, object]]:
        """The schemas of query parameters, which can be omitted but are never null."""
        with self.closed():
            return self.fields(shape, nullable=False)

    def fields(self, shape: type, *, nullable: bool = True) -> dict[str, dict[str, object]]:
        """The schema and description of each field."""
        hints, words = get_type_hints(shape, include_extras=True), field_descriptions(shape)
        schemas = {}
        for field in fields(shape):
            hint = hints[field.name]
            schema = self.of(hint if nullable else _without_none(hint))
            if description := words.get(field.name) or COMMON_DESCRIPTIONS.get(field.name):
                schema["description"] = description
            default = field.default
            if self._closed and isinstance(default, str | int | bool) and default != "":
                schema["default"] = default
            schemas[field.name] = schema
        return schemas

    def _or_null(self, bare: Any) -> dict[str, object]:
        schema = self.of(bare)
        if isinstance(schema.get("type"), str) and "enum" not in schema:
            return {**schema, "type": [schema["type"], "null"]}
        return {"anyOf": [schema, {"type": "null"}]}

    def _named(self, shape: type) -> dict[str, object]:
        name = shape.__name__
        if name not in self.named:
            schema = {
                "type": "object",
                "description": _class_description(shape),
                "properties": self.fields(shape),
                "required": [field.name for field in fields(shape) if _is_required(field)],
            }
            self.named[name] = schema | ({"additionalProperties": False} if self._closed else {})
        return {"$ref": f"#/components/schemas/{name}"}


@cache
def field_descriptions(shape: type) -> Mapping[str, str]:
    """The docstrings below a dataclass's fields, inherited fields included."""
    words = {it.name: it.metadata.get("description", "") for it in fields(shape)}
    if any(words.values()):
        return words
    for part in reversed(shape.__mro__):
        if not is_dataclass(part):
            continue
        [tree] = ast.parse(dedent(inspect.getsource(part))).body
        name = ""
        for line in tree.body:  # type: ignore[attr-defined]
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                name = line.target.id
            elif name and isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
                words[name] = inspect.cleandoc(str(line.value.value)).strip()
                name = ""
            else:
                name = ""
    return words


def _class_description(shape: type) -> str:
    """The docstring, unless `dataclass` has generated it from the signature."""
    description = inspect.cleandoc(shape.__doc__ or "")
    return "" if description.startswith(f"{shape.__name__}(") else description


def as_json(record: object) -> Mapping[str, object]:
    """A dataclass instance or a mapping as a response body."""
    return record if isinstance(record, Mapping) else asdict(record)  # type: ignore[call-overload]


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _items_of(hint: Any) -> tuple[Any, Many]:
    """Item type and length bounds of a list type; the item type is None for other types."""
    many = Many(0, 1_000)
    if get_origin(hint) is Annotated:
        many = next((more for more in hint.__metadata__ if isinstance(more, Many)), many)
        hint = hint.__origin__
    return (get_args(hint)[0] if get_origin(hint) is tuple else None), many


def _kind_of(hint: Any) -> Kind | None:
    if get_origin(hint) is Annotated:
        return next((more for more in hint.__metadata__ if hasattr(more, "schema")), None)
    return PLAIN.get(hint) if isinstance(hint, Hashable) else None


def _without_none(hint: Any) -> Any:
    """`X` for `X | None`; other types are unchanged."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    rest = [one for one in get_args(hint) if one is not NoneType]
    if len(rest) == len(get_args(hint)):
        return hint
    return rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
