"""The machine interface by which a meter posts usage and reads the balance."""

from dataclasses import dataclass

from flask import request
from flask.typing import ResponseReturnValue

from webapp.api import usage
from webapp.api.http import bodies, unknown_routes
from webapp.api.http.answers import answer
from webapp.api.http.authentication import permit
from webapp.api.http.blueprint import noun
from webapp.api.http.idempotency import repeatable
from webapp.api.openapi.fields import Money
from webapp.api.openapi.operations import CSV, Group, Link, operation
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.money import decimal_text
from webapp.extensions import db, services
from webapp.reads.usage.holds import read_hold_summary

blueprint = noun("meter")
unknown_routes.init_blueprint(blueprint)


@dataclass(frozen=True)
class Balance:
    """What is left of what was paid in."""

    balance: Money
    """Exact; it may be below zero."""
    currency: str
    held: Money
    """What calls in progress are expected to cost."""
    available: Money
    """The balance without what is held."""


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
    """One record, or up to 1,000 as JSON or CSV; each is judged by itself.

    201 if anything was posted or all of it had been before; 409 or 422 only where nothing was
    posted. Usage is never refused for lack of balance.
    """
    machine = permit(Scope.USAGE_WRITE)
    now = services().clock.now()
    if request.mimetype == CSV:
        batch = usage.read_csv(bodies.read(), machine.account_id, machine.currency, now)
    else:
        batch = usage.read(bodies.read_json(), machine.currency, now)
    receipt = services().usage_batcher.post_usage(
        db.session(), machine.account_id, batch.usages, now, services().policy
    )
    if receipt.opened_top_up:
        services().wake()
    return usage.answer(batch, receipt, machine.currency, services().policy.usage_max)


@blueprint.get("/balance")
@operation("Read the balance", Group.BALANCE, Scope.BALANCE_READ, answer=Balance, has_etag=True)
def read_balance() -> ResponseReturnValue:
    machine, session = permit(Scope.BALANCE_READ), db.session()
    account = session.get_one(Account, machine.account_id)
    standing = read_hold_summary(session, account, services().clock.now())
    return answer(
        Balance(
            balance=decimal_text(standing.balance),
            currency=machine.currency,
            held=decimal_text(standing.held),
            available=decimal_text(standing.available),
        )
    )
