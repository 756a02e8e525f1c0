"""The balance in the shape that the public DIDWW client libraries read (API v3)."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.api.http import authentication, json_api, rate_limits, unknown_routes
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.money import decimal_text
from webapp.extensions import csrf, make_context

blueprint = Blueprint("api_v3", __name__, url_prefix="/v3")
csrf.exempt(blueprint)
json_api.init_blueprint(blueprint)
rate_limits.init_blueprint(blueprint)
unknown_routes.init_blueprint(blueprint)


@blueprint.get("/balance")
def balance() -> ResponseReturnValue:
    ctx = make_context()
    client = authentication.permit_by_header(ctx, Scope.BALANCE_READ)
    account = ctx.session.get_one(Account, client.account_id)
    amounts = {
        "balance": account.balance,
        "credit": account.credit_limit,
        "total_balance": account.balance + account.credit_limit,
    }
    attributes = {name: decimal_text(amount) for name, amount in amounts.items()}
    return json_api.document("balances", account.id, attributes)
