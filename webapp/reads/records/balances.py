"""Balances, as the API shows them to accounts' keys and to the provider's (V2)."""

from collections.abc import Collection
from datetime import datetime

from pydantic import Field
from sqlalchemy import exists, select

from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.funds import Funds
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import Currency, Money, NextCursor, Record


class AccountBalance(Record):
    """An account's balance."""

    external_id: str | None = Field(description="Your own id of the account, if it has one.")
    balance: Money = Field(description="The exact balance. It can be negative.")
    available: Money = Field(
        description="The balance minus all open holds, plus the account's credit limit."
    )
    currency: Currency


class Balance(AccountBalance):
    """The account's balance, and what its open holds have of it."""

    account: int = Field(description="The account's id.")
    held: Money = Field(description="The sum of all open holds.")


class BalancePage(Record):
    """A page of balances, those of the newest accounts first."""

    balances: tuple[Balance, ...] = Field(description="The balances on this page.")
    next_cursor: NextCursor


def read_balances(ctx: Context, account_ids: Collection[int]) -> dict[int, dict[str, object]]:
    """Return the fields of each account's `AccountBalance` by id; records would take longer."""
    return {
        account_id: {
            "external_id": funds.external_id,
            "balance": decimal_text(funds.balance),
            "available": decimal_text(funds.available),
            "currency": funds.currency,
        }
        for account_id, funds in Funds.of_each(ctx, account_ids).items()
    }


def read_balance(ctx: Context, account_id: int) -> Balance:
    return _record(Funds.of(ctx, account_id))


def read_balance_page(
    ctx: Context, changed_since: datetime | None, before: int | None, limit: int
) -> BalancePage:
    """Read the balances of all accounts, or of those with a ledger entry since an instant."""
    accounts = select(Account)
    if changed_since is not None:
        entries = (LedgerEntry.account_id == Account.id, LedgerEntry.posted_at >= changed_since)
        accounts = accounts.where(exists().where(*entries))
    shown, cursor = page_of(ctx, accounts, Account.id, before, limit)
    funds = Funds.of_each(ctx, [account.id for account in shown])
    return BalancePage(
        balances=tuple(_record(funds[account.id]) for account in shown), next_cursor=cursor
    )


def _record(funds: Funds) -> Balance:
    return Balance(
        account=funds.account_id,
        external_id=funds.external_id,
        balance=decimal_text(funds.balance),
        held=decimal_text(funds.held),
        available=decimal_text(funds.available),
        currency=funds.currency,
    )
