"""The balance in the header, which open pages poll."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from webapp.domain.accounts.account import Account
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.reads.ledger.balance_pill import read_balance
from webapp.web.http.access import permit

blueprint = Blueprint("balance", __name__)

UNCHANGED = "", 204


@blueprint.get("/billing/balance", endpoint="show")
def show_balance() -> ResponseReturnValue:
    """The balance if the account has changed, with a trigger that refreshes the page's parts.

    Without a change the response is empty, and only one row is read.
    """
    person = permit(Right.BILLING)
    if request.args.get("account", person.account_id, type=int) != person.account_id:
        # Another window switched the account, so this page shows the previous one.
        return "", 204, {"HX-Refresh": "true"}
    revision = db.session.get_one(Account, person.account_id).revision
    if request.args.get("seen", type=int) == revision:
        return UNCHANGED
    balance = read_balance(make_context(), person.account_id)
    response = make_response(render_template("ledger/_balance.html", balance=balance))
    response.headers["HX-Trigger"] = "account-changed"
    return response
