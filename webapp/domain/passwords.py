"""Password hashes: argon2id with the library's recommended costs (RFC 9106)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_LENGTH = 10
"""At least; no other rule makes a password better."""

_hasher = PasswordHasher()

# Checked when there is no such person, so that the answer takes as long as for a wrong password.
# Written out: to hash one would cost every command's start as much as a sign-in.
_NOBODY = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def is_right(password: str, hashed: str | None) -> bool:
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None
