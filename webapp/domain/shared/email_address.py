"""What counts as an e-mail address, for signing in and for sending alike."""

from re import compile as pattern

LENGTH = 254

# The local part as HTML's own e-mail field has it: no quotes, no spaces, nothing that ends a line.
_ADDRESS = pattern(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[\w.-]+")


def is_address(text: str) -> bool:
    return len(text) <= LENGTH and _ADDRESS.fullmatch(text) is not None
