"""How a provider names an account: by its id, or as `external:ID` by the provider's own id (V2)."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import EXTERNAL_ID_LENGTH, Account
from webapp.domain.shared.errors import Invalid, NotFound

EXTERNAL = "external:"

LARGEST_ID = 2**31 - 1

# Characters that stand for themselves in a path. A path of dots is changed by clients.
EXTERNAL_ID_PATTERN = rf"(?!\.+$)[A-Za-z0-9._~:@+-]{{1,{EXTERNAL_ID_LENGTH}}}"
EXTERNAL_ID = re.compile(EXTERNAL_ID_PATTERN)


def fault_of_external_id(text: str) -> str:
    """Return why this cannot be an external id; empty if it can."""
    if EXTERNAL_ID.fullmatch(text):
        return ""
    return f"Must be 1 to {EXTERNAL_ID_LENGTH} letters, digits or any of . _ ~ : @ + -"


def account_id_of(session: Session, account: str) -> int:
    """Return the id of the account that `account` names. Raises `NotFound`."""
    if account.startswith(EXTERNAL):
        external_id = account.removeprefix(EXTERNAL)
        known = ids_by_external_id(session, [external_id])
        if external_id in known:
            return known[external_id]
    elif re.fullmatch("[0-9]{1,10}", account) and int(account) <= LARGEST_ID:
        found = session.scalar(select(Account.id).where(Account.id == int(account)))
        if found is not None:
            return found
    raise NotFound("The account")


def ids_by_external_id(session: Session, external_ids: Collection[str]) -> Mapping[str, int]:
    """Return the account's id for each external id that is known."""
    possible = [it for it in external_ids if EXTERNAL_ID.fullmatch(it)]
    named = select(Account.external_id, Account.id).where(Account.external_id.in_(possible))
    return {external_id or "": account_id for external_id, account_id in session.execute(named)}


class AccountName(NamedTuple):
    """The account that a record names, by either field or by both."""

    account: int | str | None = None
    """Our id, or the provider's as text."""
    external_id: str | None = None

    @classmethod
    def read(cls, account: object, external_id: object) -> "AccountName":
        """Parse the two fields. Raises `Invalid`."""
        return cls(_read_account(account), _read_external_id(external_id))


class NamedAccount(NamedTuple):
    id: int
    external_id: str | None
    currency: str


class Directory:
    """The accounts that many records name, read with two queries (V2)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[int | str, NamedAccount | None] = {}
        """By our id, and by the provider's."""

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

    def _find(self, field: str, key: int | str | None) -> NamedAccount | None:
        if key is None:
            return None
        found = self._known[key]
        if found is None:
            which = f"account {key}" if isinstance(key, int) else f"account with external id {key}"
            raise Invalid({field: f"There is no {which}"})
        return found


def _read_account(value: object) -> int | str | None:
    if isinstance(value, str):
        if value.isascii() and value.isdecimal() and len(value) < len(str(LARGEST_ID)):
            return int(value)
        external_id = value.removeprefix(EXTERNAL)
        if external_id != value and EXTERNAL_ID.fullmatch(external_id):
            return external_id
    elif value is None or (type(value) is int and 0 <= value <= LARGEST_ID):
        return value
    raise Invalid({"account": "Must be the account's id, or external: and your own id"})


def _read_external_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid({"external_id": "Must be text"})
    if fault := fault_of_external_id(value):
        raise Invalid({"external_id": fault})
    return value
