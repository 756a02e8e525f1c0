"""Encryption of secrets at rest, under a key derived from SECRET_KEY.

Webhook secrets and TOTP secrets are needed in plain text, so they cannot be hashed. AES-GCM
encrypts each and binds it to its column. The application's engine has a vault; the engines of
backups have none, so they read and write encrypted values.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from secrets import token_bytes
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Engine, Integer, String, bindparam, column, select, table, update
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

PREFIX = "sealed:1:"
"""Prefix of encrypted values."""

LENGTH = 200
"""Length of the column; 100 characters are 180 when encrypted."""

NONCE = 12

INFO = b"ballast secrets at rest"


class WrongKey(Exception):
    """A secret was encrypted under another SECRET_KEY. `str()` is a line for the operator."""

    def __init__(self) -> None:
        super().__init__(
            "SECRET_KEY does not open the secrets in this database: set it to the key that they "
            "were encrypted under; if keys rotate-secret was interrupted, run it again"
        )


class Vault:
    """Encrypts and decrypts under one SECRET_KEY."""

    def __init__(self, secret_key: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=INFO)
        self._cipher = AESGCM(derive.derive(secret_key.encode()))

    def seal(self, plain: str, place: str) -> str:
        """Encrypt a value; it can only be decrypted for the same `place` (table and column)."""
        nonce = token_bytes(NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, plain.encode(), place.encode())
        return PREFIX + urlsafe_b64encode(sealed).decode()

    def open(self, stored: str, place: str) -> str:
        """Decrypt a value. Raises `WrongKey`, also for plain text."""
        try:
            sealed = urlsafe_b64decode(stored.removeprefix(PREFIX))
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode()).decode()
        except (InvalidTag, NoBase64, ValueError) as error:
            raise WrongKey from error

    def opens(self, stored: str, place: str) -> bool:
        try:
            self.open(stored, place)
        except WrongKey:
            return False
        return True


_VAULTS: WeakKeyDictionary[Dialect, Vault] = WeakKeyDictionary()


def give_key(engine: Engine, secret_key: str) -> None:
    """Make the engine encrypt and decrypt under this key."""
    _VAULTS[engine.dialect] = Vault(secret_key)


def vault_of(dialect: Dialect) -> Vault | None:
    return _VAULTS.get(dialect)


class Sealed(TypeDecorator[str]):
    """Text that is encrypted in the database and plain in Python."""

    impl = String
    cache_ok = True

    def __init__(self, place: str, length_before: int) -> None:
        """`length_before`: length in SQLite's schema, which neither enforces nor can change it."""
        super().__init__(LENGTH)
        self.place, self.length_before = place, length_before

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return String(self.length_before if dialect.name == "sqlite" else LENGTH)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if (vault := vault_of(dialect)) is None:
            raise LookupError(f"{self.place}: this engine has no key")
        return vault.seal(value, self.place)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (vault := vault_of(dialect)) is None:
            return value
        return vault.open(value, self.place)


PLACES = (
    ("user", "totp_secret"),
    ("webhook_endpoint", "secret"),
    ("webhook_endpoint", "old_secret"),
    ("webhook_endpoint", "older_secret"),
)
"""Table and column of each encrypted value."""


def reseal(connection: Connection, old: Vault, new: Vault) -> int:
    """Encrypt all secrets under `new`, in the current transaction.

    Returns the number of changed values. Raises `WrongKey` for a value that neither key decrypts.
    """
    return sum(_reseal_column(connection, of, name, old, new) for of, name in PLACES)


def _reseal_column(connection: Connection, of: str, name: str, old: Vault, new: Vault) -> int:
    its_id, value, place = column("id", Integer), column(name, String), f"{of}.{name}"
    stored = select(its_id, value).select_from(table(of)).where(value.is_not(None))
    changed = [
        {"of": id_, "to": new.seal(old.open(sealed, place), place)}
        for id_, sealed in connection.execute(stored.with_for_update()).all()
        if not new.opens(sealed, place)
    ]
    if changed:
        renewed = update(table(of, its_id, value)).where(its_id == bindparam("of"))
        connection.execute(renewed.values({name: bindparam("to")}), changed)
    return len(changed)
