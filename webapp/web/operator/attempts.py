"""Operator pages: unresolved charges, whose outcome an operator decides."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared import texts
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.extensions import db, make_context, services
from webapp.reads.operator.attempts import read_undecided
from webapp.web.http import forms
from webapp.web.http.access import permit_operator
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import say, show
from webapp.web.operator.fields import errors_of, message_with
from webapp.web.payment_methods.responses import charged_by_press, status_of

blueprint = Blueprint("attempts", __name__, url_prefix="/attempts")


@blueprint.get("")
def index() -> ResponseReturnValue:
    return attempts_page(permit_operator())


@blueprint.post("/<int:attempt_id>/decision")
def decide(attempt_id: int) -> ResponseReturnValue:
    person = permit_operator()
    require_reauthentication(person)
    paid = forms.switch_state("paid")
    try:
        reason = texts.reason(request.form.get("reason", ""))
        ctx = make_context(person.actor)
        confirmed = forms.confirmed()
        decide_attempt(ctx, attempt_id, paid, reason, confirmed=confirmed)
    except (NotFound, ChargeUnconfirmed):
        raise
    except Refusal as refusal:
        db.session.rollback()
        error = errors_of(refusal)["reason"]
        return attempts_page(person, attempt_id, error), status_of(refusal)
    services().wake()
    settled = f"Settled as {'paid' if paid else 'not charged'}."
    account_id = db.session().get_one(Attempt, attempt_id).account_id
    outcome = charged_by_press(account_id, ctx.now) if confirmed else None
    say(message_with(settled, outcome))
    return redirect(url_for("operator.attempts.index"), 303)


def attempts_page(person: Person, refused_id: int = 0, error: str = "") -> str:
    rows = read_undecided(make_context())
    context = {"refused_id": refused_id, "error": error, "typed": request.form.get("reason", "")}
    return show(person, "operator/attempts.html", "operator_attempts", rows=rows, **context)
