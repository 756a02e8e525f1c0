"""Balances: of an account for its own keys, and of all accounts for the provider's."""

from pydantic import Field

from webapp.api.http.authentication import ApiClient, ProviderClient
from webapp.api.http.queries import Absent, Page
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Instant
from webapp.api.openapi.operations import Group
from webapp.domain.accounts.lookup import account_id_of
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.reads.records import balances
from webapp.reads.records.balances import Balance, BalancePage


class BalanceQuery(Page):
    changed_since: Instant | Absent = Field(
        None, description="Only balances that have changed at or after this instant."
    )


resource = Resource("balance", Group.BALANCE)


@resource.get("/balance", "Read the balance", Scope.BALANCE_READ)
def read_balance(ctx: Context, client: ApiClient) -> Balance:
    """Read the exact balance, the amount held for calls in progress, and the rest."""
    return balances.read_balance(ctx, client.account_id)


@resource.get(
    "/accounts/<account>/balance",
    "Read an account's balance",
    Scope.BALANCES,
    problems=("not_found",),
)
def read_account_balance(ctx: Context, client: ProviderClient, account: str) -> Balance:
    """Read the exact balance of an account, the amount held for calls in progress, and the rest."""
    return balances.read_balance(ctx, account_id_of(ctx.session, account))


@resource.get("/balances", "List balances", Scope.BALANCES)
def list_balances(ctx: Context, client: ProviderClient, query: BalanceQuery) -> BalancePage:
    """List the balances of all accounts, or of those that have changed since an instant."""
    return balances.read_balance_page(ctx, query.changed_since, query.cursor, query.limit)
