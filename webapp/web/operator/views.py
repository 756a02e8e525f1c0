"""View an account as its customer: operators open the customer's own pages read-only.

`enforce_view_only` in `web/http/access.py` refuses requests that change something.
"""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.accounts.view_account import begin_view
from webapp.domain.shared.errors import Refusal
from webapp.extensions import make_context
from webapp.web.http.access import permit_operator, view_account
from webapp.web.operator.accounts import ACCOUNT, account_refused

blueprint = Blueprint("views", __name__)


@blueprint.post(f"{ACCOUNT}/views")
def begin(account_id: int) -> ResponseReturnValue:
    """Start to view the account as its customer, read-only."""
    person = permit_operator()
    reason, ctx = request.form.get("reason", ""), make_context(person.actor)
    try:
        begin_view(ctx, account_id, reason)
    except Refusal as refusal:
        return account_refused(person, account_id, "view", refusal)
    view_account(account_id)
    return redirect(url_for("payment_methods.index"), 303)


@blueprint.post("/views/end")
def end() -> ResponseReturnValue:
    person = permit_operator()
    view_account(None)
    if person.is_view_only:
        return redirect(url_for("operator.accounts.one", account_id=person.account_id), 303)
    return redirect(url_for("operator.accounts.index"), 303)
