"""Conclude challenges of the bank or of PayPal (M6, M11, F4, F9).

With scripts the bank's page opens in a frame above the dialog and ends on `over`, which notifies
the surrounding page. Without scripts the bank's page replaces the whole page and returns to
`setup_returned` or `payment_returned`.
"""

from datetime import datetime

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.payment_methods.finish_setup import finish_setup, give_up_setup
from webapp.actions.payments.challenges import challenge_address, conclude_challenge
from webapp.domain.payment_methods import method_setups
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Payment
from webapp.domain.payments.queries import find_attempt
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.payments.outcome import read_outcome
from webapp.web.http import forms, security_headers
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.query_args import line
from webapp.web.http.responses import go_to, show, wants_fragment
from webapp.web.payment_methods.responses import changed, outcome_message, pressed, status_of

blueprint = Blueprint("challenges", __name__)

NOTHING_ASKED = Message("There is nothing to confirm with your bank.", "bad")
STILL_OPEN = Message("The confirmation is still open.", "bad")


@blueprint.get("/challenge-over")
def over() -> Response:
    """The frame's last page. It needs no session and notifies the surrounding page.

    Without a frame, after a processor used the whole page, it redirects instead.
    """
    key = request.args.get("key", "")
    turned_back = request.args.get("turned_back")
    back = url_for("challenges.payment_returned", key=key, turned_back=turned_back) if key else ""
    response = make_response(render_template("payment_methods/challenge_over.html", back=back))
    response.headers["Content-Security-Policy"] = security_headers.frameable_policy()
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/billing/payment-methods/returned")
def setup_returned() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    setup = method_setups.latest_open(db.session(), person.account_id, person.id)
    if setup is None:
        return go_to("payment_methods.index")
    if has_turned_back():
        _cancel_setup(person, setup.id)
    return _finish(person, setup.id)


@blueprint.post("/billing/payment-methods/setups/<int:setup_id>/conclusion")
def conclude_setup(setup_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    if forms.switch_state("give_up"):
        _cancel_setup(person, setup_id)
    return _finish(person, setup_id)


@blueprint.get("/billing/payments/returned")
def payment_returned() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    key = line("key", forms.LONGEST_KEY)
    payment = Payment.by_request_key(db.session(), person.account_id, key)
    if payment is None or not payment.attempts:
        raise NotFound("That payment")
    return _conclude(person, payment.attempts[-1].id, give_up=has_turned_back())


@blueprint.post("/billing/attempts/<int:attempt_id>/conclusion")
def conclude_payment(attempt_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    return _conclude(person, attempt_id, give_up=forms.switch_state("give_up"))


def has_turned_back() -> bool:
    """Whether the person cancelled on the processor's pages."""
    return request.args.get("turned_back") == "1"


def _cancel_setup(person: Person, setup_id: int) -> None:
    give_up_setup(make_context(person.actor), person.account_id, setup_id)


@blueprint.get("/billing/attempts/<int:attempt_id>/question")
def question(attempt_id: int) -> ResponseReturnValue:
    """The page on which a processor's script runs the challenge, for visits without scripts."""
    person = permit(Right.BILLING)
    attempt = find_attempt(db.session(), person.account_id, attempt_id)
    address = challenge_address(make_context(), attempt.payment)
    if not address:
        return go_to("payments.index", NOTHING_ASKED)
    front = services().processors[attempt.processor].front
    if not front.question:
        return redirect(address, 303)
    conclusion = url_for("challenges.conclude_payment", attempt_id=attempt_id)
    context = {**front.variables, "address": address, "conclusion": conclusion}
    page = "payment_methods/challenge.html"
    return show(person, page, "payment_methods", question=front.question, **context)


def _finish(person: Person, setup_id: int) -> ResponseReturnValue:
    since = services().clock.now()
    try:
        method = finish_setup(make_context(person.actor), person.account_id, setup_id)
    except NotFound:
        raise
    except Refusal as refusal:
        return _not_saved(person, refusal)
    return saved(person, method, since)


def saved(person: Person, method: PaymentMethod | None, since: datetime) -> ResponseReturnValue:
    """The response after saving a method, which may have charged it (M12).

    `method` is None while the bank's challenge is open.
    """
    if method is None:
        return changed(person, "add", STILL_OPEN)
    message = Message(f"{method.label} is saved.")
    return pressed(person, "add", message, since, fresh=method.id, expects_charge=True)


def _not_saved(person: Person, refusal: Refusal) -> ResponseReturnValue:
    """Show the refusal in the form, which keeps its values and can be submitted again."""
    if not wants_fragment():
        return go_to("payment_methods.index", Message(refusal.sentence, "bad"))
    page = show(
        person, "payment_methods/after/no_setup.html", "payment_methods", refusal=refusal.sentence
    )
    return page, status_of(refusal)


def _conclude(person: Person, attempt_id: int, *, give_up: bool) -> ResponseReturnValue:
    payment = conclude_challenge(make_context(), person.account_id, attempt_id, give_up=give_up)
    services().wake()
    outcome = read_outcome(make_context(), payment.id)
    return changed(person, "payment", outcome_message(outcome), messages=outcome.rows)
