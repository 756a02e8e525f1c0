"""How a provider names an account: by its id, or as `external:ID` by the provider's own id (V2)."""

import re
from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import EXTERNAL_ID_LENGTH, Account
from webapp.domain.shared.errors import NotFound

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
    elif account.isascii() and account.isdecimal() and int(account) <= LARGEST_ID:
        found = session.scalar(select(Account.id).where(Account.id == int(account)))
        if found is not None:
            return found
    raise NotFound("The account")


def ids_by_external_id(session: Session, external_ids: Collection[str]) -> Mapping[str, int]:
    """Return the account's id for each external id that is known."""
    possible = [it for it in external_ids if EXTERNAL_ID.fullmatch(it)]
    named = select(Account.external_id, Account.id).where(Account.external_id.in_(possible))
    return {external_id or "": account_id for external_id, account_id in session.execute(named)}
