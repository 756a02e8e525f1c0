"""Accounts for the operator's command line."""

from dataclasses import asdict, dataclass
from datetime import datetime

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.usage.funds import Funds
from webapp.reads.accounts.search import AccountFilter
from webapp.reads.records.accounts import OwnerRecord, read_owners
from webapp.reads.records.pages import page_of


@dataclass(frozen=True)
class AccountRow:
    id: int
    external_id: str | None
    name: str
    owner: str
    """The email address of the owner, who may not have joined yet."""
    state: AccountState
    balance: str
    """An exact decimal string, as are `held` and `available`."""
    held: str
    """The sum of all open holds."""
    available: str
    """The balance minus `held`, plus the credit limit."""
    currency: str
    created_at: datetime


@dataclass(frozen=True)
class AccountList:
    """A page of accounts, newest first."""

    accounts: tuple[AccountRow, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class AccountCard(AccountRow):
    owner_has_joined: bool
    metadata: dict[str, str]
    time_zone: str
    language: str
    credit_limit: str
    max_open_holds: int | None
    own_metering: bool
    billing_emails: tuple[str, ...]
    methods: tuple[str, ...]
    """ "Visa •••• 4242: ready", in the customer's order."""
    what_next: str
    """The forecast of "What happens next" (T13)."""
    paused_at: datetime | None


def read_accounts(ctx: Context, only: AccountFilter, before: int | None, limit: int) -> AccountList:
    shown, cursor = page_of(ctx, only.query(), Account.id, before, limit)
    owners = read_owners(ctx, [account.id for account in shown])
    funds = Funds.of_each(ctx, [account.id for account in shown]) if shown else {}
    rows = tuple(_row(it, owners.get(it.id), funds[it.id]) for it in shown)
    return AccountList(rows, cursor)


def read_account(ctx: Context, account_id: int) -> AccountCard:
    """Raises `NotFound`."""
    account = ctx.session.get(Account, account_id)
    if account is None:
        raise NotFound(f"Account {account_id}")
    owner = read_owners(ctx, [account_id]).get(account_id)
    at = top_ups.gather(ctx, account)
    methods = payment_methods.listed(ctx.session, account_id)
    return AccountCard(
        **asdict(_row(account, owner, Funds.of(ctx, account_id))),
        owner_has_joined=owner is not None and owner.has_joined,
        metadata=account.details,
        time_zone=account.time_zone,
        language=account.language,
        credit_limit=decimal_text(account.credit_limit),
        max_open_holds=account.max_open_holds,
        own_metering=account.own_metering,
        billing_emails=tuple(account.billing_emails),
        methods=tuple(f"{m.label}: {m.standing(ctx.now).replace('_', ' ')}" for m in methods),
        what_next=plain(what_happens_next(at, account.show)),
        paused_at=LowBalanceSettings.of(ctx.session, account_id).paused_at,
    )


def _row(account: Account, owner: OwnerRecord | None, funds: Funds) -> AccountRow:
    return AccountRow(
        id=account.id,
        external_id=account.external_id,
        name=account.name,
        owner=owner.email if owner else "",
        state=AccountState(account.state),
        balance=decimal_text(account.balance),
        held=decimal_text(funds.held),
        available=decimal_text(funds.available),
        currency=account.currency,
        created_at=account.created_at,
    )
