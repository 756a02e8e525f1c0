"""The machine interface by which a meter posts usage and reads the balance."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.actions.post_usage import post_usage
from webapp.api import authentication, bodies, elsewhere, problems, usage
from webapp.domain.api_keys import Scope
from webapp.domain.money import decimal_text
from webapp.extensions import csrf, db, parts

blueprint = Blueprint("api_v1", __name__, url_prefix="/api/v1")
csrf.exempt(blueprint)  # a key in a header cannot be sent along by a browser unasked
problems.init_blueprint(blueprint)
elsewhere.init_blueprint(blueprint)


@blueprint.post("/usage")
def receive_usage() -> ResponseReturnValue:
    it, account = parts(), authentication.permit(Scope.USAGE_WRITE).account
    account_id, currency, now = account.id, account.currency, it.clock.now()
    batch = usage.read(bodies.read_json(), currency, now)
    receipt = post_usage(db.session(), account_id, batch.usages, now, it.policy)
    it.wake()
    return usage.answer(batch, receipt, currency)


@blueprint.get("/balance")
def balance() -> ResponseReturnValue:
    account = authentication.permit(Scope.BALANCE_READ).account
    return jsonify({"balance": decimal_text(account.balance), "currency": account.currency})
