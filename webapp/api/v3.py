"""The balance in the shape that the public DIDWW client libraries read (API v3)."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.api import authentication, elsewhere, json_api, rates
from webapp.domain.accounts import Account
from webapp.domain.api_keys import Scope
from webapp.domain.money import decimal_text
from webapp.extensions import csrf, db

blueprint = Blueprint("api_v3", __name__, url_prefix="/v3")
csrf.exempt(blueprint)
json_api.init_blueprint(blueprint)
rates.init_blueprint(blueprint)
elsewhere.init_blueprint(blueprint)


@blueprint.get("/balance")
def balance() -> ResponseReturnValue:
    machine = authentication.permit_by_header(Scope.BALANCE_READ)
    account = db.session().get_one(Account, machine.account_id)
    prepaid = decimal_text(account.balance)
    # Accounts are prepaid: there is no credit beside what was paid in.
    attributes = {"balance": prepaid, "credit": "0.00", "total_balance": prepaid}
    return json_api.document("balances", account.id, attributes)
