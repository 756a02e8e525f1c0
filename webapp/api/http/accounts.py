"""Which account a request is about: the key's own, or the one that a provider's request names."""

from typing import Annotated

from pydantic import Field
from pydantic import WithJsonSchema as Schema

from webapp.api.http.authentication import ApiClient, Client, ProviderClient
from webapp.api.http.queries import Absent
from webapp.api.openapi.fields import LARGEST_ID, Body, reader
from webapp.domain.accounts.lookup import (
    EXTERNAL,
    EXTERNAL_ID_PATTERN,
    AccountKey,
    id_of,
    read_account,
    read_external_id,
)
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, NotFound

NAMED = f"^([0-9]{{1,9}}|{EXTERNAL}{EXTERNAL_ID_PATTERN})$"


AccountName = Annotated[
    AccountKey,
    reader(read_account),
    Schema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
                {"type": "string", "pattern": NAMED},
            ],
            "examples": [17],
        }
    ),
]
ExternalId = Annotated[
    str,
    reader(read_external_id),
    Schema({"type": "string", "pattern": f"^{EXTERNAL_ID_PATTERN}$", "examples": ["cust-0042"]}),
]

ACCOUNT = "Required with a provider key: the account's id, or `external:` and your own id of it."
EXTERNAL_ID = "Instead of `account`: your own id of the account."


class OfAccount(Body):
    """The account that a body names: a provider's must (V2)."""

    account: AccountName | None = Field(None, description=ACCOUNT)
    external_id: ExternalId | None = Field(None, description=EXTERNAL_ID)


class AccountQuery(Body):
    """The account that a query names: a provider's must (V2)."""

    account: AccountName | Absent = Field(None, description=ACCOUNT)
    external_id: ExternalId | Absent = Field(None, description=EXTERNAL_ID)


def account_to_lock(ctx: Context, client: Client, named: OfAccount) -> int:
    """Like `account_of`, for an action that itself raises `NotFound` for an unknown id."""
    account, external_id = named.account, named.external_id
    if isinstance(client, ProviderClient) and isinstance(account, int) and external_id is None:
        return account
    return account_of(ctx, client, named)


def account_of(ctx: Context, client: Client, *named: OfAccount | AccountQuery) -> int:
    """Return the account's id.

    Raises `NotFound` if a name is unknown or means another account than the key or the other name,
    and `Invalid` if a provider's request names none.
    """
    keys = {key for it in named for key in (it.account, it.external_id) if key is not None}
    ids = {id_of(ctx.session, key) for key in keys}
    if isinstance(client, ApiClient):
        ids.add(client.account_id)
    if not ids:
        raise Invalid({"account": "Name the account by account or external_id"})
    if len(ids) > 1:
        raise NotFound("The account")
    return ids.pop()
