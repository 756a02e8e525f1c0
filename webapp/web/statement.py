"""Statement: the ledger with its running balance."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.domain.users import Right
from webapp.extensions import db, parts
from webapp.reads.statement import read_statement
from webapp.web import forms
from webapp.web.access import permit
from webapp.web.responses import show

blueprint = Blueprint("statement", __name__)


@blueprint.get("/billing/statement")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    before = request.args.get("before", type=forms.record_id)
    now = parts().clock.now()
    screen = read_statement(db.session(), person.account_id, now, before=before)
    return show(person, "statement/index.html", "statement", screen=screen)
