"""Validation of email addresses, for sign-in and for recipients."""

from re import compile as pattern

LENGTH = 254
RESERVED = ".invalid"

# The local part is that of HTML's email input: no quotes, spaces or line breaks.
_ADDRESS = pattern(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[\w.-]+")


def is_address(text: str) -> bool:
    # Addresses in `.invalid` stand for people without one; nobody can receive email there.
    is_reserved = text.lower().endswith(RESERVED)
    return len(text) <= LENGTH and _ADDRESS.fullmatch(text) is not None and not is_reserved
