"""View an account as its customer: operators open the customer's own pages read-only.

Requests that change something are refused before they reach their handlers.
"""

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.accounts.view_account import begin_view, record_view
from webapp.domain.shared.errors import Denied, Refusal
from webapp.extensions import db, services
from webapp.web.http.access import VIEW_ONLY, permit_operator, view_account
from webapp.web.operator.accounts import ACCOUNT, account_refused

blueprint = Blueprint("views", __name__)

READING = ("GET", "HEAD", "OPTIONS")

CHANGING = frozenset(
    (
        # These GET requests conclude what the customer started.
        "payment_methods.card_captured",
        "payment_methods.new_card",
        "challenges.setup_returned",
        "challenges.payment_returned",
    )
)

OWN = frozenset(("operator", "session", "probes"))
"""Blueprints that work normally during a view. Probes do because they must answer even when the
database, and with it the person, cannot be read."""


@blueprint.before_app_request
def enforce_view_only() -> None:
    """Refuse changes and log each page while an operator views an account."""
    # Static files and unknown routes have no blueprint.
    if "_user_id" not in session or not request.blueprints or OWN & set(request.blueprints):
        return
    person = current_user
    if not person.is_authenticated or not person.is_view_only:
        return
    if request.method not in READING or request.endpoint in CHANGING:
        raise Denied(VIEW_ONLY)
    if request.endpoint != "balance.show":  # open pages poll it every few seconds
        page, now = str(request.url_rule), services().clock.now()
        record_view(db.session(), person.account_id, page, person.actor, now)


@blueprint.post(f"{ACCOUNT}/views")
def begin(account_id: int) -> ResponseReturnValue:
    """Start to view the account as its customer, read-only."""
    person = permit_operator()
    reason, now = request.form.get("reason", ""), services().clock.now()
    try:
        begin_view(db.session(), account_id, reason, person.actor, now)
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
