"""Validation of text that people enter."""

from webapp.domain.shared.errors import Invalid

NAME_LENGTH = 120
"""Maximum length of the name of a person, account, key or webhook."""


def fault(text: str, longest: int) -> str:
    """Return why a text cannot be stored; empty if it can.

    SQLite does not enforce the length of a column; PostgreSQL does, and refuses NUL characters.
    """
    if len(text) <= longest and text.isprintable():
        return ""
    return f"At most {longest} characters, without control characters"


REASON_LENGTH = 300


def reason(text: str) -> str:
    """Normalise an operator's reason to one line. Raises `Invalid`."""
    text = " ".join(text.split())
    if not text:
        raise Invalid({"reason": "Enter a reason for the audit log"})
    if found := fault(text, REASON_LENGTH):
        raise Invalid({"reason": found})
    return text
