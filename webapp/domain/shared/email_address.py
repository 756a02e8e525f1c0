"""Validation of email addresses, for sign-in and for recipients."""

from re import compile as pattern

LENGTH = 254

# The local part is that of HTML's email input: no quotes, spaces or line breaks.
_ADDRESS = pattern(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[\w.-]+")


def is_address(text: str) -> bool:
    return len(text) <= LENGTH and _ADDRESS.fullmatch(text) is not None
