"""Accounts for the provider's programs (V4)."""

from collections.abc import Mapping, Sequence

from pydantic import Field
from sqlalchemy import select

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import Language
from webapp.domain.shared.money import decimal_text
from webapp.domain.users.invitations import Invitation, InvitationState
from webapp.domain.users.user import Membership, Role, User
from webapp.reads.accounts.search import AccountFilter
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import Currency, Id, Instant, Money, NextCursor, Open, Record


class OwnerRecord(Record):
    """The owner of an account."""

    name: str = Field(description="The owner's name.")
    email: str = Field(description="The owner's email address.")
    has_joined: bool = Field(
        description="False until an invited owner has opened the link in the email."
    )


class AccountRecord(Record):
    """An account."""

    id: Id
    external_id: str | None = Field(description="Your own id of the account, if it has one.")
    name: str = Field(description="The customer's company.")
    state: Open[AccountState] = Field(
        description="`active`; `suspended`: nothing is charged automatically and no hold is "
        "granted; or `closed`: nothing is posted, held, charged or added."
    )
    metadata: dict[str, str] = Field(description="Your own facts, which Ballast only stores.")
    currency: Currency
    time_zone: str = Field(description="The time zone of the account's days and emails.")
    language: Open[Language] = Field(description="The language of the account's emails.")
    owner: OwnerRecord | None = Field(description="The owner; null if an account has none.")
    credit_limit: Money = Field(
        description="How far below zero the balance minus all holds may fall. Zero: not at all."
    )
    max_open_holds: int | None = Field(
        description="The largest number of open holds; null if there is no limit."
    )
    own_metering: bool = Field(
        description="Whether the account's own API keys may post usage and open holds."
    )
    created_at: Instant = Field(description="When the account was created.")


class AccountPage(Record):
    """A page of accounts, newest first."""

    accounts: tuple[AccountRecord, ...] = Field(description="The accounts on this page.")
    next_cursor: NextCursor


def read_accounts(ctx: Context, only: AccountFilter, before: int | None, limit: int) -> AccountPage:
    shown, cursor = page_of(ctx, only.query(), Account.id, before, limit)
    owners = read_owners(ctx, [account.id for account in shown])
    records = tuple(_record(account, owners.get(account.id)) for account in shown)
    return AccountPage(accounts=records, next_cursor=cursor)


def read_account(ctx: Context, account_id: int) -> AccountRecord:
    account = ctx.session.get_one(Account, account_id)
    return _record(account, read_owners(ctx, [account_id]).get(account_id))


def read_owners(ctx: Context, account_ids: Sequence[int]) -> Mapping[int, OwnerRecord]:
    """Return the owner of each account, or the person who is invited to be."""
    invited = select(Invitation.account_id, Invitation.name, Invitation.email, Invitation.roles)
    open_ = (Invitation.account_id.in_(account_ids), Invitation.state == InvitationState.OPEN)
    found = {
        account_id: OwnerRecord(name=name, email=email, has_joined=False)
        for account_id, name, email, roles in ctx.session.execute(invited.where(*open_))
        if Role.OWNER in roles
    }
    joined = select(Membership.account_id, User.name, User.email).join(User)
    owners = (Membership.account_id.in_(account_ids), Membership.role == Role.OWNER)
    return found | {
        account_id: OwnerRecord(name=name, email=email, has_joined=True)
        for account_id, name, email in ctx.session.execute(joined.where(*owners))
    }


def _record(account: Account, owner: OwnerRecord | None) -> AccountRecord:
    return AccountRecord(
        id=account.id,
        external_id=account.external_id,
        name=account.name,
        state=AccountState(account.state),
        metadata=account.details,
        currency=account.currency,
        time_zone=account.time_zone,
        language=Language(account.language),
        owner=owner,
        credit_limit=decimal_text(account.credit_limit),
        max_open_holds=account.max_open_holds,
        own_metering=account.own_metering,
        created_at=account.created_at,
    )
