"""Which account a request is about: the key's own, or the one that a provider's request names."""

from typing import Annotated

from pydantic import Field
from pydantic import WithJsonSchema as Schema

from webapp.api.http.authentication import ApiClient, Client
from webapp.api.http.queries import Absent
from webapp.api.openapi.fields import LARGEST_ID, Body, reader
from webapp.domain.accounts.lookup import (
    EXTERNAL,
    EXTERNAL_ID_PATTERN,
    account_id_of,
    fault_of_external_id,
)
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid

NAMED = f"^([0-9]{{1,9}}|{EXTERNAL}{EXTERNAL_ID_PATTERN})$"


def _account(value: object) -> str:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise ValueError("Must be the account's id, or external: and your own id")


def _external_id(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be text")
    if fault := fault_of_external_id(value):
        raise ValueError(fault)
    return value


AccountName = Annotated[
    str,
    reader(_account),
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
    reader(_external_id),
    Schema({"type": "string", "pattern": f"^{EXTERNAL_ID_PATTERN}$", "examples": ["cust-0042"]}),
]

ACCOUNT = "With a provider key: the account's id, or `external:` and your own id of it."
EXTERNAL_ID = "With a provider key, instead of `account`: your own id of the account."


class OfAccount(Body):
    """The account that a body names; only with a provider key (V2)."""

    account: AccountName | None = Field(None, description=ACCOUNT)
    external_id: ExternalId | None = Field(None, description=EXTERNAL_ID)


class AccountQuery(Body):
    """The account that a query names; only with a provider key (V2)."""

    account: AccountName | Absent = Field(None, description=ACCOUNT)
    external_id: ExternalId | Absent = Field(None, description=EXTERNAL_ID)


def account_of(ctx: Context, client: Client, *named: OfAccount | AccountQuery) -> int:
    """Return the account's id. Raises `Invalid` unless exactly one name fits the key, or
    `NotFound`.
    """
    given = [
        (field, name if field == "account" else f"{EXTERNAL}{name}")
        for it in named
        for field, name in (("account", it.account), ("external_id", it.external_id))
        if name is not None
    ]
    if isinstance(client, ApiClient):
        if given:
            raise Invalid({field: "Only a provider key names an account" for field, _ in given})
        return client.account_id
    if not given:
        raise Invalid({"account": "Name the account by account or external_id"})
    ids = {account_id_of(ctx.session, name) for _, name in given}
    if len(ids) > 1:
        raise Invalid({field: "Names another account" for field, _ in given})
    return ids.pop()
