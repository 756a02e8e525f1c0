"""Usage and balance: the endpoints that a provider's meter calls."""

from dataclasses import dataclass

from flask import request
from flask.typing import ResponseReturnValue

from webapp.api import usage
from webapp.api.http import bodies, unknown_routes
from webapp.api.http.answers import answer
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.http.idempotency import repeatable
from webapp.api.openapi.fields import Money
from webapp.api.openapi.operations import CSV, Group, Link, operation
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.money import decimal_text
from webapp.extensions import db, make_context, services
from webapp.reads.usage.holds import read_hold_summary

blueprint = api_blueprint("meter")
unknown_routes.init_blueprint(blueprint)


@dataclass(frozen=True)
class Balance:
    """The account's balance."""

    balance: Money
    """The exact balance, with up to six decimals. It can be negative."""
    currency: str
    held: Money
    """The sum of all open holds."""
    available: Money
    """The balance minus `held`."""


@blueprint.post("/usage")
@operation(
    "Post usage",
    Group.USAGE,
    Scope.USAGE_WRITE,
    status=201,
    answer=usage.UsageAnswer,
    body=usage.UsageRecord | usage.UsageRecords,
    csv=usage.CSV_EXAMPLE,
    examples=usage.EXAMPLES,
    problem=usage.UsageProblem,
    problems=("conflict", "balance_out_of_range", "too_large"),
    links={"balance": Link("read_balance")},
)
@repeatable
def post_usage() -> ResponseReturnValue:
    """Send one record, or up to 1,000 as JSON or CSV. Each is posted or refused independently.

    The status is 201 if at least one record was posted or all are duplicates, and 409 or 422 if
    nothing was posted. Usage is never refused for lack of balance.
    """
    client = permit(Scope.USAGE_WRITE)
    ctx = make_context(client.actor)
    if request.mimetype == CSV:
        batch = usage.read_csv(bodies.read(), client.account_id, client.currency, ctx.now)
    else:
        batch = usage.read(bodies.read_json(), client.currency, ctx.now)
    receipt = services().usage_batcher.post_usage(ctx, client.account_id, batch.usages)
    if receipt.opened_top_up:
        services().wake()
    return usage.answer(batch, receipt, client.currency, services().policy.usage_max)


@blueprint.get("/balance")
@operation("Read the balance", Group.BALANCE, Scope.BALANCE_READ, answer=Balance, has_etag=True)
def read_balance() -> ResponseReturnValue:
    """Read the exact balance, the amount held for calls in progress, and the rest."""
    client, session = permit(Scope.BALANCE_READ), db.session()
    account = session.get_one(Account, client.account_id)
    standing = read_hold_summary(make_context(), account)
    return answer(
        Balance(
            balance=decimal_text(standing.balance),
            currency=client.currency,
            held=decimal_text(standing.held),
            available=decimal_text(standing.available),
        )
    )
