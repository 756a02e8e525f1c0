"""The balance in the header, polled by open pages."""

from flask import Blueprint, make_response, request
from flask.typing import ResponseReturnValue

from webapp.domain.accounts import Account
from webapp.domain.users import Right
from webapp.extensions import db
from webapp.web.access import permit
from webapp.web.responses import show

blueprint = Blueprint("balance", __name__)

UNCHANGED = "", 204


@blueprint.get("/billing/balance", endpoint="show")
def show_balance() -> ResponseReturnValue:
    """Nothing new costs one row; news brings the pill and tells the page to refresh its parts."""
    person = permit(Right.BILLING)
    revision = db.session.get_one(Account, person.account_id).revision
    if request.args.get("seen", type=int) == revision:
        return UNCHANGED
    response = make_response(show(person, "_balance.html", "", message=None))
    response.headers["HX-Trigger"] = "account-changed"
    return response
