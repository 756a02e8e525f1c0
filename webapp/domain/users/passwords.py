"""Passwords: which may be chosen, and their hashes.

Hashes are argon2id with the library's recommended costs (RFC 9106). The NFKC form is hashed: there
are several ways to write the same characters, and keyboards differ. A hash from before that rule is
of the password as it was typed, so that form is compared too.
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_LENGTH = 10
"""At least, and no rule about the kinds of characters, which would make none better."""

TOO_SHORT = f"At least {PASSWORD_LENGTH} characters"
COMMON = "This is one of the most common passwords. Choose another one"
OWN = "Do not use your name, email address or company"

COMMON_ONES = Path(__file__).with_name("common_passwords.txt.gz")
"""Where they come from: common_passwords.md."""

_hasher = PasswordHasher()

# Checked when there is no such person, so that the answer takes as long as for a wrong password.
# Written out: to hash one would cost every command's start as much as a sign-in.
_NOBODY = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)


def fault(password: str, own: Iterable[str]) -> str:
    """Why it cannot be chosen, for the person; empty if it can.

    `own`: the person's email address and name, and the names of their companies. Such a password is
    refused backwards too, with other cases and punctuation, and with digits around it.
    """
    password = normalize("NFKC", password)
    if len(password) < PASSWORD_LENGTH:
        return TOO_SHORT
    if f"\n{password.casefold()}\n" in _common_ones():
        return COMMON
    core = _core(password)
    if core and any(word in (core, core[::-1]) for word in _words(own)):
        return OWN
    return ""


def hash_password(password: str) -> str:
    return _hasher.hash(normalize("NFKC", password))


def is_right(password: str, hashed: str | None) -> bool:
    normal = normalize("NFKC", password)
    right = _verify(normal, hashed)
    if not right and normal != password:
        right = _verify(password, hashed)  # a hash from before passwords were normalised
    return right


def _verify(password: str, hashed: str | None) -> bool:
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


@cache
def _common_ones() -> str:
    """Each between two line breaks: searched in microseconds, and a tenth of what a set takes."""
    return "\n" + gzip.decompress(COMMON_ONES.read_bytes()).decode()


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Each text, what stands before its @, its words, alone and together, and in reverse order."""
    for text in texts:
        words = re.findall(r"[^\W_]+", normalize("NFKC", text))
        yield from map(_core, (text, text.partition("@")[0], "".join(reversed(words))))
        for first in range(len(words)):
            for end in range(first + 1, len(words) + 1):
                yield _core("".join(words[first:end]))


def _core(text: str) -> str:
    """Its letters and digits, without the digits around them."""
    text = "".join(filter(str.isalnum, normalize("NFKC", text).casefold()))
    return re.sub(r"^\d+|\d+$", "", text)
