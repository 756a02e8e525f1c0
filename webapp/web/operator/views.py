"""An operator sees an account as its customer does: the customers' own pages answer, to look only.

Whatever else is asked of them is refused before it reaches its handler.
"""

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.accounts.view_account import begin_view, record_view
from webapp.domain.shared.errors import Denied, Refusal
from webapp.extensions import db, services
from webapp.web.http.access import (
    LOOKING,
    look_into,
    permit_operator,
)
from webapp.web.operator.accounts import ACCOUNT, account_refused

blueprint = Blueprint("views", __name__)

READING = ("GET", "HEAD", "OPTIONS")

CHANGING = frozenset(
    (
        # They are led to, and yet conclude what the customer began.
        "payment_methods.card_captured",
        "payment_methods.new_card",
        "challenges.setup_returned",
        "challenges.payment_returned",
    )
)

OWN = frozenset(("operator", "session", "probes"))
"""Blueprints that are the operator's while they look at an account, and probes: they answer
while the database, and with it the person, cannot be read."""


@blueprint.before_app_request
def only_look() -> None:
    """Before every request of an operator who sees an account as its customer does."""
    # Files, and what there is not, are of no blueprint.
    if "_user_id" not in session or not request.blueprints or OWN & set(request.blueprints):
        return
    person = current_user
    if not person.is_authenticated or not person.is_view_only:
        return
    if request.method not in READING or request.endpoint in CHANGING:
        raise Denied(LOOKING)
    if request.endpoint != "balance.show":  # open pages ask for it every few seconds
        page, now = str(request.url_rule), services().clock.now()
        record_view(db.session(), person.account_id, page, person.actor, now)


@blueprint.post(f"{ACCOUNT}/views")
def begin(account_id: int) -> ResponseReturnValue:
    """See it as its customer does, to look only."""
    person = permit_operator()
    reason, now = request.form.get("reason", ""), services().clock.now()
    try:
        begin_view(db.session(), account_id, reason, person.actor, now)
    except Refusal as refusal:
        return account_refused(person, account_id, "view", refusal)
    look_into(account_id)
    return redirect(url_for("payment_methods.index"), 303)


@blueprint.post("/views/end")
def end() -> ResponseReturnValue:
    person = permit_operator()
    look_into(None)
    if person.is_view_only:
        return redirect(url_for("operator.accounts.one", account_id=person.account_id), 303)
    return redirect(url_for("operator.accounts.index"), 303)
