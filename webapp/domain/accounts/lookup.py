"""How a provider names an account: by its id, or as `external:ID` by the provider's own id (V2)."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import EXTERNAL_ID_LENGTH, Account
from webapp.domain.shared.errors import Invalid, NotFound

EXTERNAL = "external:"

AccountKey = int | str
"""Our id of an account, or the provider's, which is always text."""

Key = TypeVar("Key")

LARGEST_ID = 2**31 - 1

# Characters that stand for themselves in a path. A path of dots is changed by clients.
EXTERNAL_ID_PATTERN = rf"(?!\.+$)[A-Za-z0-9._~:@+-]{{1,{EXTERNAL_ID_LENGTH}}}"
EXTERNAL_ID = re.compile(EXTERNAL_ID_PATTERN)


def fault_of_external_id(text: str) -> str:
    """Return why this cannot be an external id; empty if it can."""
    if EXTERNAL_ID.fullmatch(text):
        return ""
    return f"Must be 1 to {EXTERNAL_ID_LENGTH} letters, digits or any of . _ ~ : @ + -"


def read_account(value: object) -> AccountKey:
    """Parse an account's id, a number or its digits, or `external:ID`. Raises `ValueError`."""
    if type(value) is int and 0 <= value <= LARGEST_ID:
        return value
    if isinstance(value, str):
        if value.isascii() and value.isdecimal() and len(value) < len(str(LARGEST_ID)):
            return int(value)
        external_id = value.removeprefix(EXTERNAL)
        if external_id != value and EXTERNAL_ID.fullmatch(external_id):
            return external_id
    raise ValueError("Must be the account's id, or external: and your own id")


def read_external_id(value: object) -> str:
    """Parse the provider's own id of an account. Raises `ValueError`."""
    if not isinstance(value, str):
        raise ValueError("Must be text")
    if fault := fault_of_external_id(value):
        raise ValueError(fault)
    return value


def account_id_of(session: Session, account: str) -> int:
    """Return the id of the account that a path names. Raises `NotFound`."""
    try:
        return id_of(session, read_account(account))
    except ValueError:
        raise NotFound("The account") from None


def id_of(session: Session, key: AccountKey) -> int:
    """Return the id of the account with this key. Raises `NotFound`."""
    statement = _BY_ID if isinstance(key, int) else _BY_EXTERNAL_ID
    found = session.connection().execute(statement, {"key": key}).scalar_one_or_none()
    if found is None:
        raise NotFound("The account")
    return int(found)


class AccountName(NamedTuple):
    """The account that a record names, by either field or by both."""

    account: AccountKey | None = None
    external_id: str | None = None

    @classmethod
    def read(cls, account: object, external_id: object) -> "AccountName":
        """Parse the two fields. Raises `Invalid`."""
        return cls(
            _read("account", read_account, account),
            _read("external_id", read_external_id, external_id),
        )


class NamedAccount(NamedTuple):
    id: int
    external_id: str | None
    currency: str


class Directory:
    """The accounts that many records name, read with two queries (V2)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[AccountKey, NamedAccount | None] = {}

    def load(self, names: Iterable[AccountName]) -> None:
        """Read the named accounts, except those that were read before."""
        keys = {key for name in names for key in name if key is not None} - self._known.keys()
        self._known |= dict.fromkeys(keys)
        ids = [key for key in keys if isinstance(key, int)]
        external_ids = [key for key in keys if isinstance(key, str)]
        if ids:
            self._read(Account.id.in_(ids))
        if external_ids:
            self._read(Account.external_id.in_(external_ids))

    def find(self, name: AccountName) -> NamedAccount:
        """Return the account; its name must have been loaded. Raises `Invalid` by field."""
        by_account = self._find("account", name.account)
        by_external_id = self._find("external_id", name.external_id)
        found = by_account or by_external_id
        if found is None:
            raise Invalid({"account": "Name the account by account or external_id"})
        if by_external_id not in (None, found):
            raise Invalid({"external_id": f"Account {found.id} has another external id"})
        return found

    def _read(self, wanted: ColumnElement[bool]) -> None:
        columns = select(Account.id, Account.external_id, Account.currency).where(wanted)
        for row in self._session.execute(columns):
            found = NamedAccount(*row)
            self._known[found.id] = found
            if found.external_id is not None:
                self._known[found.external_id] = found

    def _find(self, field: str, key: AccountKey | None) -> NamedAccount | None:
        if key is None:
            return None
        found = self._known[key]
        if found is None:
            which = f"account {key}" if isinstance(key, int) else f"account with external id {key}"
            raise Invalid({field: f"There is no {which}"})
        return found


def _read(field: str, read: Callable[[object], Key], value: object) -> Key | None:
    if value is None:
        return None
    try:
        return read(value)
    except ValueError as fault:
        raise Invalid({field: str(fault)}) from None


_BY_ID = select(Account.id).where(Account.id == bindparam("key"))
_BY_EXTERNAL_ID = select(Account.id).where(Account.external_id == bindparam("key"))
