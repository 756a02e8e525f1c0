"""Password rules and hashes.

Hashes are argon2id with the library's recommended costs (RFC 9106). The NFKC form is hashed,
because keyboards produce different code points for the same characters. Older hashes are of the
unnormalised password, so that form is verified as well.
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
"""Minimum length. There is no rule about kinds of characters, which would not improve passwords."""

TOO_SHORT = f"At least {PASSWORD_LENGTH} characters"
COMMON = "This is one of the most common passwords. Choose another one"
OWN = "Do not use your name, email address or company"

COMMON_ONES = Path(__file__).with_name("common_passwords.txt.gz")
"""The most common passwords; for the source see common_passwords.md."""

_hasher = PasswordHasher()

# Verified for an unknown user, so that the response takes as long as for a wrong password. It is a
# constant, because computing a hash at import would slow down the start of every command.
_NOBODY = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)


def fault(password: str, own: Iterable[str]) -> str:
    """Return why a password cannot be chosen; empty if it can.

    `own`: the person's email address, name and companies. A password made of these is refused,
    also reversed, in other case or punctuation, and with digits around it.
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
        right = _verify(password, hashed)  # an older hash of the unnormalised password
    return right


def _verify(password: str, hashed: str | None) -> bool:
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


@cache
def _common_ones() -> str:
    """Return the list as one text, one per line, which takes a tenth of the memory of a set."""
    return "\n" + gzip.decompress(COMMON_ONES.read_bytes()).decode()


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Yield each text, its part before @, its words in sequences, and its words reversed."""
    for text in texts:
        words = re.findall(r"[^\W_]+", normalize("NFKC", text))
        yield from map(_core, (text, text.partition("@")[0], "".join(reversed(words))))
        for first in range(len(words)):
            for end in range(first + 1, len(words) + 1):
                yield _core("".join(words[first:end]))


def _core(text: str) -> str:
    """Return the letters and digits of a text, without leading and trailing digits."""
    text = "".join(filter(str.isalnum, normalize("NFKC", text).casefold()))
    return re.sub(r"^\d+|\d+$", "", text)
