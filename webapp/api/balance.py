"""The balance of an account, for its own keys and for the provider's."""

from pydantic import Field

from webapp.api.http.authentication import ApiClient, ProviderClient
from webapp.api.http.resource import Resource
from webapp.api.openapi.operations import Group
from webapp.domain.accounts.lookup import account_id_of
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.funds import Funds
from webapp.reads.records.record import Currency, Money, Record


class Balance(Record):
    """The account's balance."""

    account: int = Field(description="The account's id.")
    external_id: str | None = Field(description="Your own id of the account, if it has one.")
    balance: Money = Field(
        description="The exact balance, with up to six decimals. It can be negative."
    )
    currency: Currency
    held: Money = Field(description="The sum of all open holds.")
    available: Money = Field(
        description="The balance minus `held`, plus the account's credit limit."
    )


resource = Resource("balance", Group.BALANCE)


@resource.get("/balance", "Read the balance", Scope.BALANCE_READ)
def read_balance(ctx: Context, client: ApiClient) -> Balance:
    """Read the exact balance, the amount held for calls in progress, and the rest."""
    return _balance(ctx, client.account_id)


@resource.get(
    "/accounts/<account>/balance",
    "Read an account's balance",
    Scope.BALANCES,
    problems=("not_found",),
)
def read_account_balance(ctx: Context, client: ProviderClient, account: str) -> Balance:
    """Read the exact balance of an account, the amount held for calls in progress, and the rest."""
    return _balance(ctx, account_id_of(ctx.session, account))


def _balance(ctx: Context, account_id: int) -> Balance:
    funds = Funds.of(ctx, account_id)
    return Balance(
        account=funds.account_id,
        external_id=funds.external_id,
        balance=decimal_text(funds.balance),
        currency=funds.currency,
        held=decimal_text(funds.held),
        available=decimal_text(funds.available),
    )
