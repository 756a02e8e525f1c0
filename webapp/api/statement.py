"""The statement (ledger entries) and the activity (decisions about charges)."""

from webapp.api.http.authentication import ApiClient, ProviderClient
from webapp.api.http.queries import Dated, Page
from webapp.api.http.resource import Resource
from webapp.api.openapi.operations import Group, Link
from webapp.domain.accounts.lookup import account_id_of
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.reads.records.activity import ActivityPage, read_activity
from webapp.reads.records.statement import StatementPage, read_statement

resource = Resource("statement", Group.STATEMENT)


@resource.get(
    "/statement",
    "Read the statement",
    Scope.BILLING_READ,
    links={"payment": Link("read_payment", "payment_id", "/entries/0/payment")},
)
def read_the_statement(ctx: Context, client: ApiClient, query: Dated) -> StatementPage:
    """All debits and credits with the balance after each, ordered by posting time."""
    return read_statement(
        ctx, client.account_id, query.since, query.until, query.cursor, query.limit
    )


@resource.get(
    "/accounts/<account>/statement",
    "Read an account's statement",
    Scope.BALANCES,
    problems=("not_found",),
)
def read_account_statement(
    ctx: Context, client: ProviderClient, account: str, query: Dated
) -> StatementPage:
    """All debits and credits of an account with the balance after each, ordered by posting time."""
    account_id = account_id_of(ctx.session, account)
    return read_statement(ctx, account_id, query.since, query.until, query.cursor, query.limit)


@resource.get("/activity", "Read the activity", Scope.BILLING_READ)
def read_the_activity(ctx: Context, client: ApiClient, query: Page) -> ActivityPage:
    """Why each charge was or was not made, and what happens next."""
    return read_activity(ctx, client.account_id, query.cursor, query.limit)
