"""Request bodies and the types of their fields: each parses a value and has a JSON Schema."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from re import compile as pattern
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, StrictBool
from pydantic import WithJsonSchema as Schema

from webapp.domain.shared import money
from webapp.domain.shared.texts import REASON_LENGTH
from webapp.domain.usage import record as usage
from webapp.domain.usage.record import DESCRIPTION_LENGTH, REFERENCE_LENGTH

LARGEST_ID = 999_999_999
"""Largest record id (nine digits), also in paths and forms."""

# The union of what Python, ECMAScript and Rust treat as white space.
_BLANK = r"\s\u0085\ufeff\u0000-\u001f"
_INSTANT = pattern(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


class Body(BaseModel):
    """A request body. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def whole(least: int, most: int) -> tuple[BeforeValidator, Schema]:
    """Validator and schema of a whole number, for `Annotated[int, *whole(1, 10)]`."""

    def read(value: object) -> int:
        # JSON Schema treats 1.0 as an integer, too. A bool is an int in Python.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"Must be a whole number from {least} to {most:,}")
        return value

    return BeforeValidator(read), Schema({"type": "integer", "minimum": least, "maximum": most})


def text(longest: int, *, filled: bool) -> dict[str, object]:
    """Schema of a text without control characters; `filled` requires a non-blank character."""
    some = rf"[^{_BLANK}][^\u0000-\u001f]*" if filled else ""
    written = rf"^[^\u0000-\u001f]*{some}$"
    return {"type": "string", "maxLength": longest, "pattern": written} | (
        {"minLength": 1} if filled else {}
    )


def _amount(places: int, *, allows_zero: bool = False, sign: str = "") -> Schema:
    # Amounts above `money.LARGEST` have more than nine digits.
    not_zero = "" if allows_zero else "(?=.*[1-9])"
    written = rf"^{not_zero}{sign}[0-9]{{1,9}}(\.[0-9]{{1,{places}}}0{{0,30}})?$"
    schema = {"type": "string", "format": "decimal", "pattern": written, "examples": ["100.00"]}
    return Schema(schema)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be text")
    return value


def _instant(value: object) -> datetime:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("Must be a date and time such as 2026-11-22T10:00:00Z")


def reader(read: Callable[..., object], **options: object) -> PlainValidator:
    """Validate with a function that takes any value and raises `ValueError` with a sentence."""
    return PlainValidator(partial(read, **options))


MICROS, CENTS = _amount(money.USAGE_PLACES), _amount(money.PAYMENT_PLACES)
MICROS_OR_ZERO = _amount(money.USAGE_PLACES, allows_zero=True)
SIGNED_MICROS = _amount(money.USAGE_PLACES, sign="-?")
# It does not begin or end with a blank, and no part between slashes is empty, . or ..
_REFERENCE = (
    r"^(?!\.{0,2}(/|$))(?!.*/\.{0,2}(/|$))"
    rf"[^{_BLANK}]([^\u0000-\u001f]*[^{_BLANK}])?$"
)
REFERENCE = Schema(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": REFERENCE_LENGTH,
        "pattern": _REFERENCE,
        "examples": ["call-981"],
    }
)
DESCRIPTION = Schema(text(DESCRIPTION_LENGTH, filled=False))
CURRENCY = Schema({"type": "string", "format": "currency", "examples": ["USD"]})
INSTANT = Schema({"type": "string", "format": "date-time", "examples": ["2026-11-22T10:00:00Z"]})

Switch = StrictBool
Micros = Annotated[int, reader(money.parse, places=money.USAGE_PLACES), MICROS]
"""A decimal string above zero with up to six decimals, in micros. Numbers are refused (L1)."""
MicrosOrZero = Annotated[
    int, reader(money.parse, places=money.USAGE_PLACES, allows_zero=True), MICROS_OR_ZERO
]
"""Like `Micros`, or zero."""
Cents = Annotated[int, reader(money.parse), CENTS]
"""A decimal string above zero with up to two decimals, in micros.

Actions refuse more decimals than the account's currency has."""
Id = Annotated[int, *whole(1, LARGEST_ID)]
Instant = Annotated[datetime, reader(_instant), INSTANT]
Reference = Annotated[str, reader(usage.read_reference), REFERENCE]
"""The client's own reference of a usage record or hold."""

Reason = Annotated[str, reader(_text), Schema(text(REASON_LENGTH, filled=True))]
SignedMicros = Annotated[int, reader(money.parse_signed), SIGNED_MICROS]
"""Like `Micros`, or below zero."""
