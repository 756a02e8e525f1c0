"""The balance of an account."""

from pydantic import Field

from webapp.api.http.authentication import ApiClient
from webapp.api.http.resource import Resource
from webapp.api.openapi.operations import Group
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.reads.records.record import Currency, Money, Record
from webapp.reads.usage.holds import read_hold_summary


class Balance(Record):
    """The account's balance."""

    balance: Money = Field(
        description="The exact balance, with up to six decimals. It can be negative."
    )
    currency: Currency
    held: Money = Field(description="The sum of all open holds.")
    available: Money = Field(description="The balance minus `held`.")


resource = Resource("balance", Group.BALANCE)


@resource.get("/balance", "Read the balance", Scope.BALANCE_READ)
def read_balance(ctx: Context, client: ApiClient) -> Balance:
    """Read the exact balance, the amount held for calls in progress, and the rest."""
    account = ctx.session.get_one(Account, client.account_id)
    standing = read_hold_summary(ctx, account)
    return Balance(
        balance=decimal_text(standing.balance),
        currency=client.currency,
        held=decimal_text(standing.held),
        available=decimal_text(standing.available),
    )
