"""Outcomes: charges of which only an operator can say what became of them."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.domain.payments.attempts import Attempt
from webapp.domain.shared import texts
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.extensions import db, parts
from webapp.reads.operator.attempts import read_undecided
from webapp.web.http import forms
from webapp.web.http.access import Person, permit_operator, prove
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
    prove(person)
    paid, it = forms.wished("paid"), parts()
    try:
        reason = texts.reason(request.form.get("reason", ""))
        now = it.clock.now()
        around = (person.actor, now, it.policy)
        confirmed = forms.confirmed()
        decide_attempt(db.session(), attempt_id, paid, reason, *around, confirmed=confirmed)
    except (NotFound, ChargeUnconfirmed):
        raise
    except Refusal as refusal:
        db.session.rollback()
        error = errors_of(refusal)["reason"]
        return attempts_page(person, attempt_id, error), status_of(refusal)
    it.wake()
    settled = f"Settled as {'paid' if paid else 'not charged'}."
    account_id = db.session().get_one(Attempt, attempt_id).account_id
    outcome = charged_by_press(account_id, now) if confirmed else None
    say(message_with(settled, outcome))
    return redirect(url_for("operator.attempts.index"), 303)


def attempts_page(person: Person, refused_id: int = 0, error: str = "") -> str:
    rows = read_undecided(db.session(), parts().clock.now())
    said = {"refused_id": refused_id, "error": error, "typed": request.form.get("reason", "")}
    return show(person, "operator/attempts.html", "operator_attempts", rows=rows, **said)
