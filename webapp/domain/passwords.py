"""Password hashes: argon2id with the library's recommended costs (RFC 9106)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_LENGTH = 10
"""At least; no other rule makes a password better."""

_hasher = PasswordHasher()

# Checked when there is no such person, so that the answer takes as long as for a wrong password.
_NOBODY = _hasher.hash("nobody's password")


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def is_right(password: str, hashed: str | None) -> bool:
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None
