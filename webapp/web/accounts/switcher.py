"""The accounts a person belongs to, and going from one to another (P3)."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from webapp.web.http.access import work_for

blueprint = Blueprint("accounts", __name__)


@blueprint.post("/accounts/<int:account_id>/visits")
def visit(account_id: int) -> ResponseReturnValue:
    work_for(account_id)
    return redirect(url_for("session.home"), 303)
