"""Usage records sent by meters (L1, L12)."""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from webapp.domain.shared import money
from webapp.domain.shared.errors import Invalid

REFERENCE_LENGTH = 120
DESCRIPTION_LENGTH = 500
CLOCK_SKEW = timedelta(days=1)
"""Maximum time that a meter's clock may be ahead."""

_CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")
_SIMPLE = re.compile("[A-Za-z0-9_:-]+")
"""References that need no further check; nearly all are of this form."""
_AT_THE_EDGE = re.compile(r"^[\s\ufeff]|[\s\ufeff]\Z")
_FIELDS = frozenset({"amount", "reference", "description", "occurred_at", "currency"})


class Verdict(StrEnum):
    """Result of a record. Each record of a batch has its own; a refused one has no effect (L12)."""

    POSTED = "posted"
    ENDED = "ended"
    """Final usage of zero, which ended a hold; nothing was posted."""
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    """Above USAGE_MAX, which protects against a wrong unit (L14)."""


CLOSED = "The account is closed"
NO_HOLD = "Must be above zero, because there is no hold to end"

EFFECTIVE = frozenset({Verdict.POSTED, Verdict.ENDED})
"""Verdicts on records that had an effect."""

REFUSED = frozenset({Verdict.CONFLICT, Verdict.INVALID, Verdict.TOO_LARGE})
"""Verdicts on valid records that are not posted; see `refusal`."""


class Usage(NamedTuple):
    """A valid usage record."""

    amount: int
    """Micros. Zero only ends a hold."""
    reference: str
    """Unique per account: the idempotency key."""
    occurred_at: datetime
    description: str = ""


def parse(raw: object, currency: str | None, now: datetime, besides: Collection[str] = ()) -> Usage:
    """Parse a record. Raises `Invalid` with an error for each invalid field.

    `currency`: the account's; None if the account is unknown. `besides`: further fields that it may
    have, which the caller reads.
    """
    if not isinstance(raw, dict):
        raise Invalid({"record": "A record is an object with an amount and a reference"})
    faults: dict[str, str] = {
        str(field): "Unknown field"
        for field in raw
        if field not in _FIELDS and field not in besides
    }
    amount, occurred_at = 0, now
    try:
        amount = money.parse(raw.get("amount"), money.USAGE_PLACES, largest=None, allows_zero=True)
    except money.BadAmount as fault:
        faults["amount"] = str(fault)
    reference = _reference(raw.get("reference"), faults)
    if not reference and "reference" not in faults:
        faults["reference"] = "Enter a reference, so that the same usage is not counted twice"
    description = _text(raw.get("description"), "description", DESCRIPTION_LENGTH, faults)
    if raw.get("occurred_at") not in (None, ""):
        try:
            occurred_at = _instant(raw["occurred_at"], now)
        except ValueError as fault:
            faults["occurred_at"] = str(fault)
    if currency is not None and raw.get("currency") not in (None, currency):
        faults["currency"] = f"This account's currency is {currency}"
    if faults:
        raise Invalid(faults)
    return Usage(amount, reference, occurred_at, description)


def refusal(verdict: Verdict, usage: Usage, usage_max: int) -> dict[str, str]:
    """Return why a valid record was refused, by field; empty if it is posted or a duplicate."""
    if verdict is Verdict.INVALID:
        return {"account": CLOSED} if usage.amount else {"amount": NO_HOLD}
    if verdict is Verdict.CONFLICT:
        return {"reference": f"{usage.reference} was posted before with another amount"}
    if verdict is Verdict.TOO_LARGE:
        return {"amount": f"At most {money.decimal_text(usage_max)} in one usage record"}
    return {}


def read_reference(value: object) -> str:
    """Parse a reference. Raises `ValueError` with a sentence."""
    faults: dict[str, str] = {}
    reference = _reference(value, faults)
    if faults or not reference:
        raise ValueError(faults.get("reference", "Enter a reference"))
    return reference


def _reference(value: object, faults: dict[str, str]) -> str:
    """Parse a reference, which must be the same in a URL's path.

    It is not changed in silence: two references of a meter would become one.
    """
    if isinstance(value, str) and len(value) <= REFERENCE_LENGTH and _SIMPLE.fullmatch(value):
        return value
    reference = _text(value, "reference", REFERENCE_LENGTH, faults)
    if reference and _AT_THE_EDGE.search(str(value)):
        faults["reference"] = "Must not begin or end with a blank"
    elif reference and not {"", ".", ".."}.isdisjoint(reference.split("/")):
        faults["reference"] = "Must not have an empty part, . or .. between slashes"
    return reference


def _text(value: object, field: str, length: int, faults: dict[str, str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        faults[field] = "Must be text"
        return ""
    value = value.strip()
    if len(value) > length:
        faults[field] = f"At most {length} characters"
    # PostgreSQL refuses NUL; other control characters do not belong on a statement.
    if _CONTROL.search(value):
        faults[field] = "Must not contain control characters"
    return value


def _instant(value: object, now: datetime) -> datetime:
    example = "Must be an instant such as 2026-11-22T10:00:00Z"
    if not isinstance(value, str):
        raise ValueError(example)
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(example) from None
    if instant > now + CLOCK_SKEW:
        raise ValueError("Must not be more than a day in the future")
    if instant.year < 2000:
        raise ValueError("Must not be before the year 2000")
    return instant
