"""Accounts: create, list, read and change them, with a provider key (V4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import urljoin

from flask import url_for
from pydantic import Field
from pydantic import WithJsonSchema as Schema

from webapp.actions.accounts.change_account import change_account as change
from webapp.actions.accounts.create_account import create_account as create
from webapp.actions.users.portal import create_portal_link
from webapp.api.http.accounts import ExternalId
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ProviderClient
from webapp.api.http.queries import Absent, Page
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, MicrosOrZero, Switch, reader, text, whole
from webapp.api.openapi.operations import Group, Link
from webapp.domain.accounts.account import AccountState
from webapp.domain.accounts.choice import (
    DETAIL_LENGTH,
    DETAIL_NAME_LENGTH,
    MOST_DETAILS,
    MOST_HOLDS,
    AccountChoice,
)
from webapp.domain.accounts.lookup import account_id_of
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared import email_address, texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.i18n import Language
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.portal import URL_LENGTH, PortalChoice, fault_of_return_url
from webapp.extensions import services
from webapp.reads.accounts.search import AccountFilter
from webapp.reads.records import accounts
from webapp.reads.records.accounts import AccountPage, AccountRecord
from webapp.reads.records.record import Instant, Record

ONE = "/accounts/<account>"
NO_FACTS = {"owner", "state", "reason", "closing_balance"}
LINKS = {
    name: Link(name, "account", "/id")
    for name in (
        *("read_account", "change_account", "read_account_balance"),
        "create_portal_session",
    )
}
EXAMPLES = {
    "customer": {
        "name": "Harbour Voice",
        "external_id": "cust-0042",
        "metadata": {"plan": "wholesale"},
        "time_zone": "Europe/Dublin",
        "owner": {"name": "Ana Ruiz", "email": "ana@example.com"},
    }
}


def _details(value: object) -> dict[str, str]:
    if isinstance(value, dict) and all(isinstance(it, str) for it in value.values()):
        return value
    raise ValueError("Must be an object whose values are texts")


Details = Annotated[
    dict[str, str],
    reader(_details),
    Schema(
        {
            "type": "object",
            "maxProperties": MOST_DETAILS,
            "propertyNames": text(DETAIL_NAME_LENGTH, filled=True),
            "additionalProperties": text(DETAIL_LENGTH, filled=False),
        }
    ),
]
Name = Annotated[str, Schema(text(texts.NAME_LENGTH, filled=True))]
PersonName = Annotated[str, Schema(text(texts.NAME_LENGTH, filled=False))]
TimeZone = Annotated[
    str, Schema({"type": "string", "format": "time-zone", "examples": ["Europe/Dublin"]})
]
Email = Annotated[
    str,
    Schema({"type": "string", "format": "email", "maxLength": email_address.LENGTH}),
]


def _return_url(value: object) -> str:
    fault = fault_of_return_url(value) if isinstance(value, str) else "Must be text"
    if fault or not isinstance(value, str):
        raise ValueError(fault)
    return value


ReturnUrl = Annotated[
    str,
    reader(_return_url),
    Schema(
        {
            "type": "string",
            "maxLength": URL_LENGTH,
            "pattern": r"^https://[A-Za-z0-9-]{1,60}(\.[A-Za-z0-9-]{1,60}){0,4}(/[A-Za-z0-9._~/-]{0,200})?$",
            "examples": ["https://portal.example.com/customers/42"],
        }
    ),
]
PortalRole = Literal["owner", "admin", "billing", "technical"]
Reason = Annotated[str, Schema(text(texts.REASON_LENGTH, filled=False))]
Holds = Annotated[int, *whole(0, MOST_HOLDS)]


class NewOwner(Body):
    """The owner of an account, who is invited by email."""

    name: PersonName = Field("", description="The owner's name.")
    email: Email = Field(description="The owner's email address, also the first for billing.")

    def chosen(self) -> OwnerChoice:
        return OwnerChoice(self.email, self.name)


class Facts(Body):
    """What can be set when an account is created, and later."""

    external_id: ExternalId | None = Field(None, description="Your own id of the account, unique.")
    metadata: Details = Field(
        {},
        description=f"Your own facts: up to {MOST_DETAILS} texts by name, which are replaced "
        "together.",
    )
    time_zone: TimeZone = Field(
        "UTC", description="The time zone of the account's days, limits and emails."
    )
    language: Language = Field(
        Language.ENGLISH, description="The language of the account's emails."
    )
    credit_limit: MicrosOrZero = Field(
        0, description="How far below zero the balance minus all holds may fall."
    )
    max_open_holds: Holds | None = Field(
        None, description="The largest number of open holds. Null: no limit."
    )
    own_metering: Switch = Field(
        False, description="Whether the account's own API keys may post usage and open holds."
    )


class NewAccount(Facts):
    """A new account and its owner."""

    name: Name = Field(description="The customer's company.")
    currency: str = Field(
        "", description="The account's currency, for good. Empty: the default of the installation."
    )
    owner: NewOwner = Field(description="The owner, who is invited by email.")
    state: Literal["active", "suspended"] = Field(
        "active", description="Whether the account can be used at once, or is suspended."
    )


class AccountChange(Facts):
    """Changes to an account. Fields that are left out stay as they are."""

    name: Name = Field("", description="The customer's company.")
    owner: NewOwner | Absent = Field(
        None,
        description="The person to invite instead, or again, while the account has no owner.",
    )
    state: AccountState | Absent = Field(
        None,
        description="`suspended`, `active` again, or `closed`, which only an operator can undo.",
    )
    reason: Reason | Absent = Field(
        None,
        description="Why the state changes. It is shown to the customer. Another reason of a "
        "suspension is recorded and shown, too.",
    )
    closing_balance: ClosingBalance | Absent = Field(
        None,
        description="Required to close an account whose balance is not zero: whether you pay it "
        "out (`payout`, outside Ballast) or give it up (`write_off`).",
    )

    def state_change(self) -> StateChange | None:
        if self.state is None:
            return None
        return StateChange(self.state, self.reason, self.closing_balance)


class AccountQuery(Page):
    """Filters of the account list."""

    external_id: ExternalId | Absent = Field(None, description="Only the account with this id.")
    search: str = Field(
        "",
        description="Part of a name, external id or member's email address, or an account's id.",
        max_length=email_address.LENGTH,
    )
    state: AccountState | Absent = Field(None, description="Only accounts in this state.")


resource = Resource("accounts", Group.ACCOUNTS)


@resource.post(
    "/accounts",
    "Create an account",
    Scope.ACCOUNTS,
    status=201,
    also={200: "The same request has created the account before."},
    examples=EXAMPLES,
    problems=("external_id_taken",),
    links=LINKS,
)
def create_account(ctx: Context, client: ProviderClient, body: NewAccount) -> Answer[AccountRecord]:
    """Create an account and invite its owner by email. The account can be used at once; the owner
    signs in after opening the link, which works for seven days. With an `external_id`, repeating
    the same request returns the account.
    """
    choice = AccountChoice(**_facts(body, set(NewAccount.model_fields)))
    with _faults_of_owner():
        is_suspended = body.state == "suspended"
        made = create(ctx, choice, body.owner.chosen(), scopes=(), is_suspended=is_suspended)
    services().wake()
    location = url_for("api_v1_accounts.read_account", account=made.account_id)
    status = 201 if made.is_new else 200
    return Answer(accounts.read_account(ctx, made.account_id), status, location=location)


@resource.get(
    "/accounts",
    "List accounts",
    Scope.ACCOUNTS,
    links={"first": Link("read_account", "account", "/accounts/0/id")},
)
def list_accounts(ctx: Context, client: ProviderClient, query: AccountQuery) -> AccountPage:
    """List accounts, newest first, optionally filtered."""
    only = AccountFilter(query.search, query.state, query.external_id)
    return accounts.read_accounts(ctx, only, query.cursor, query.limit)


@resource.get(ONE, "Read an account", Scope.ACCOUNTS)
def read_account(ctx: Context, client: ProviderClient, account: str) -> AccountRecord:
    """Read an account and its owner."""
    return accounts.read_account(ctx, account_id_of(ctx.session, account))


@resource.patch(
    ONE,
    "Change an account",
    Scope.ACCOUNTS,
    examples={
        "limit": {"credit_limit": "50.00"},
        "suspended": {"state": "suspended", "reason": "Invoice 2026-17 is unpaid"},
        "closed": {"state": "closed", "reason": "Contract ended", "closing_balance": "payout"},
    },
    problems=(
        *("external_id_taken", "owner_has_joined"),
        *("account_closed", "payment_open", "wire_open"),
    ),
)
def change_account(
    ctx: Context, client: ProviderClient, account: str, body: AccountChange
) -> AccountRecord:
    """Change the fields that the request contains.

    A suspended account is granted no holds and charged nothing automatically; usage is posted, and
    people can add funds. To close an account releases its holds, ends its refills, API keys and
    invitations, and revokes its payment methods. Its people can still read. It is refused while
    a payment or wire transfer is open. Money that comes after closing is settled by closing the
    account again with a `closing_balance`.
    """
    account_id = account_id_of(ctx.session, account)
    owner, state = body.owner.chosen() if body.owner is not None else None, body.state_change()
    with _faults_of_owner():
        change(ctx, account_id, _facts(body, body.model_fields_set), owner=owner, state=state)
    services().wake()
    return accounts.read_account(ctx, account_id)


class NewPortalSession(Body):
    """Who is signed in, and where they come from."""

    role: PortalRole = Field(
        description="The most that the session may do. A member's own roles limit it further."
    )
    email: Email | None = Field(
        None,
        description="The address of a member. Without it, the session is of a person whom only "
        "your portal knows.",
    )
    return_url: ReturnUrl = Field(
        description="The page of your portal to which the way leads back."
    )


class PortalSession(Record):
    """A link that signs one person in, once."""

    url: str = Field(description="Redirect the person there at once.")
    expires_at: Instant = Field(description="When the link ends: after 60 seconds.")


@resource.post(
    f"{ONE}/portal-sessions",
    "Create a portal session",
    Scope.ACCOUNTS,
    status=201,
    shows_secret=True,
    examples={
        "billing": {"role": "billing", "return_url": "https://portal.example.com/customers/42"}
    },
    problems=("account_closed",),
)
def create_portal_session(
    ctx: Context, client: ProviderClient, account: str, body: NewPortalSession
) -> PortalSession:
    """Sign a person of your own portal into the account's pages with one click. The link works
    once, for 60 seconds; a button there leads back to your portal. The session ends after an hour
    without use, or with the key that made it. It opens no other account, and cannot change people,
    keys, webhooks or anybody's sign-in.
    """
    choice = PortalChoice(body.role, body.return_url, body.email)
    account_id = account_id_of(ctx.session, account)
    made = create_portal_link(ctx, account_id, choice, key_id=client.key_id)
    path = url_for("portal.follow", token=made.token)
    return PortalSession(
        url=urljoin(services().settings.base_url, path), expires_at=made.expires_at
    )


def _facts(body: NewAccount | AccountChange, sent: set[str]) -> dict[str, Any]:
    """Return the account's facts in the body, by their names in `AccountChoice`."""
    names = {"metadata": "details"}
    return {names.get(it, it): getattr(body, it) for it in sent - NO_FACTS}


@contextmanager
def _faults_of_owner() -> Iterator[None]:
    """Name the field `owner` in errors of its parts."""
    try:
        yield
    except Invalid as invalid:
        parts = ("owner_name", "email")
        raise Invalid(
            {"owner" if name in parts else name: it for name, it in invalid.fields.items()}
        ) from None
