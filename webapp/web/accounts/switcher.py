"""Switch between the accounts that a person belongs to (P3)."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from webapp.web.http.access import switch_account

blueprint = Blueprint("accounts", __name__)


@blueprint.post("/accounts/<int:account_id>/visits")
def visit(account_id: int) -> ResponseReturnValue:
    switch_account(account_id)
    return redirect(url_for("session.home"), 303)
