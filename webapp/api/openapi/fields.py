"""JSON value types: each has a parser and the JSON Schema of what it accepts.

Keeping both in one place keeps the document and the validation the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from re import compile as pattern
from typing import Annotated, Protocol

from webapp.domain.shared import money
from webapp.domain.shared.money import DecimalText
from webapp.domain.usage import record as usage
from webapp.domain.usage.record import DESCRIPTION_LENGTH, REFERENCE_LENGTH

LARGEST_ID = 999_999_999
"""Largest record id (nine digits), also in paths and forms."""

# The union of what Python, ECMAScript and Rust treat as white space.
_BLANK = r"\s\u0085\ufeff\u0000-\u001f"
_INSTANT = pattern(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


class Bad(ValueError):
    """An invalid value; `str()` is a sentence for the client."""


class Kind(Protocol):
    @property
    def schema(self) -> Mapping[str, object]: ...

    def read(self, value: object) -> object:
        """Parse a JSON value. Raises `Bad`."""


@dataclass(frozen=True, eq=False)
class ReadOnly:
    """A value that appears only in responses."""

    schema: Mapping[str, object]

    def read(self, value: object) -> object:
        raise Bad("This cannot be set")


@dataclass(frozen=True)
class Amount:
    """A decimal string above zero, parsed to micros. JSON numbers are refused (L1)."""

    places: int

    @property
    def schema(self) -> Mapping[str, object]:
        # At least one digit is not zero. Amounts above `money.LARGEST` have more than nine digits.
        zeros = "0{0,30}" if self.places == money.USAGE_PLACES else ""
        written = rf"^(?=.*[1-9])[0-9]{{1,9}}(\.[0-9]{{1,{self.places}}}{zeros})?$"
        schema = {"type": "string", "format": "decimal", "pattern": written}
        return schema | {"examples": ["100.00"]}

    def read(self, value: object) -> int:
        try:
            return money.parse(value, self.places)
        except money.BadAmount as fault:
            raise Bad(str(fault)) from None


class Switch:
    schema: Mapping[str, object] = {"type": "boolean"}

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise Bad("Must be true or false")
        return value


@dataclass(frozen=True)
class Whole:
    least: int = 0
    most: int = LARGEST_ID

    @property
    def schema(self) -> Mapping[str, object]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def read(self, value: object) -> int:
        # `bodies` parses all numbers as floats; JSON Schema also treats 1.0 as an integer.
        number = int(value) if isinstance(value, float) and value.is_integer() else None
        if number is None or not self.least <= number <= self.most:
            raise Bad(f"Must be a whole number from {self.least} to {self.most:,}")
        return number


class Instant:
    schema: Mapping[str, object] = {
        "type": "string",
        "format": "date-time",
        "examples": ["2026-11-22T10:00:00Z"],
    }

    def read(self, value: object) -> datetime:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        raise Bad("Must be a date and time such as 2026-11-22T10:00:00Z")


@dataclass(frozen=True)
class Many:
    """Bounds on the length of a list."""

    least: int
    most: int


CENTS = Amount(money.PAYMENT_PLACES)
MICROS = Amount(money.USAGE_PLACES)

Cents = Annotated[int, CENTS]
"""An amount with two decimals, for payments, thresholds and limits."""

DECIMAL = ReadOnly(
    {
        "type": "string",
        "format": "decimal",
        "pattern": r"^-?[0-9]+\.[0-9]{2,6}$",
        "examples": ["63.40"],
    }
)
"""`DecimalText` in a response."""

Money = DecimalText

Id = Annotated[int, Whole(1)]


def text(longest: int, *, filled: bool) -> Mapping[str, object]:
    """Schema of a text without control characters; `filled` requires a non-blank character."""
    some = rf"[^{_BLANK}][^\u0000-\u001f]*" if filled else ""
    written = rf"^[^\u0000-\u001f]*{some}$"
    return {"type": "string", "maxLength": longest, "pattern": written} | (
        {"minLength": 1} if filled else {}
    )


class Reference:
    """The client's own reference of a usage record or hold, stripped of surrounding blanks."""

    schema: Mapping[str, object] = {
        **text(REFERENCE_LENGTH, filled=True),
        "examples": ["call-981"],
    }

    def read(self, value: object) -> str:
        try:
            return usage.read_reference(value)
        except ValueError as fault:
            raise Bad(str(fault)) from None


CURRENCY = ReadOnly({"type": "string", "format": "currency", "examples": ["USD"]})
REFERENCE = ReadOnly({**text(REFERENCE_LENGTH, filled=True), "examples": ["call-981"]})
DESCRIPTION = ReadOnly(text(DESCRIPTION_LENGTH, filled=False))
