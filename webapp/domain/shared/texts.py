"""Text that people write and a database keeps."""

from webapp.domain.shared.errors import Invalid

NAME_LENGTH = 120
"""Of a person, and of an account."""


def fault(text: str, longest: int) -> str:
    """Why it cannot be kept; empty if it can.

    SQLite would keep it at any length; PostgreSQL would not, and a NUL not at all.
    """
    if len(text) <= longest and text.isprintable():
        return ""
    return f"At most {longest} characters, without control characters"


REASON_LENGTH = 300


def reason(text: str) -> str:
    """Why an operator does something, in one line. Raises `Invalid`."""
    text = " ".join(text.split())
    if not text:
        raise Invalid({"reason": "Say why; it stands in the audit log"})
    if found := fault(text, REASON_LENGTH):
        raise Invalid({"reason": found})
    return text
