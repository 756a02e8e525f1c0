"""What an erasure leaves of an event: numbers, and texts that name no person."""

from collections.abc import Mapping

KEPT_TEXTS = frozenset(
    {
        "currency", "state", "code", "decline_code", "kind", "role", "rate", "wire_currency",
        "payment", "receipt", "reversal", "wire", "usage", "reference", "digest", "processor",
        "at", "until", "since", "skipped_from", "both_until", "kept_until",
    }
)  # fmt: skip
"""Facts of closed vocabularies, references, digests and times."""


def redacted(facts: Mapping[str, object]) -> dict[str, object]:
    """Return the facts without texts that may be personal, and without what is nested."""
    return {
        name: value
        for name, value in facts.items()
        if value is None
        or isinstance(value, bool | int)
        or (isinstance(value, str) and name in KEPT_TEXTS)
    }
