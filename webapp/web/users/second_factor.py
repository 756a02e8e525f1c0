"""Two-step sign-in: set-up, recovery codes and turning it off."""

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.users import second_factor as actions
from webapp.domain.shared.errors import Refusal
from webapp.domain.users import second_factor
from webapp.extensions import make_context
from webapp.reads.message import Message
from webapp.web.http.access import require_confirmed, signed_in
from webapp.web.http.form_signer import FormSigner
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import Question, ask_first, go_to, show
from webapp.web.payment_methods.responses import fields_of, status_of
from webapp.web.templating.icons import qr_code

blueprint = Blueprint("second_factor", __name__)


@blueprint.get("/settings/second-factor/new")
def new() -> ResponseReturnValue:
    person = signed_in(allow_missing_second_factor=True)
    if person.has_second_factor:
        return redirect(url_for("profile.index"))
    return set_up_page(person, second_factor.new_secret())


@blueprint.post("/settings/second-factor")
def create() -> ResponseReturnValue:
    """Turn on two-step sign-in. Only this response shows the recovery codes."""
    person = signed_in(allow_missing_second_factor=True)
    require_confirmed(person)
    secret = own_secret(person)
    require_reauthentication(person)
    ctx = make_context(person.actor)
    code = request.form.get("code", "")
    try:
        codes = actions.turn_on(ctx, person.id, secret, code, keep=person.session_id)
    except Refusal as refusal:
        if not fields_of(refusal):
            return go_to("profile.index", Message(refusal.sentence, "bad"))
        return set_up_page(person, secret, fields_of(refusal)["code"]), status_of(refusal)
    return codes_page(person, codes, "Two-step sign-in is on")


@blueprint.post("/settings/second-factor/recovery-codes")
def renew_codes() -> ResponseReturnValue:
    person = signed_in()
    require_reauthentication(person)
    ctx = make_context(person.actor)
    codes = actions.renew_recovery_codes(ctx, person.id)
    return codes_page(person, codes, "New recovery codes")


@blueprint.get("/settings/second-factor/removal")
def removal() -> ResponseReturnValue:
    """Ask first, because it weakens sign-in (P5)."""
    question = Question(
        title="Turn off two-step sign-in?",
        text="Signing in will ask only for your password. Your recovery codes stop working."
        " We’ll email you a notice.",
        button="Turn off",
        action=url_for("second_factor.remove"),
        back_url=url_for("profile.index"),
    )
    return ask_first(signed_in(), "profile", question)


@blueprint.post("/settings/second-factor/removal")
def remove() -> ResponseReturnValue:
    person = signed_in()
    require_reauthentication(person)
    try:
        ctx, here = make_context(person.actor), person.session_id
        actions.turn_off(ctx, person.id, keep=here)
    except Refusal as refusal:
        return go_to("profile.index", Message(refusal.sentence, "bad"))
    return go_to("profile.index", Message("Two-step sign-in is off."))


def set_up_page(person: Person, secret: str, error: str = "") -> str:
    address = second_factor.address(secret, person.email)
    context = {
        "state": forms().sign([person.id, secret]),
        "qr": qr_code(address),
        "address": address,
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "required": person.must_set_up_second_factor,
        "error": error,
    }
    return show(person, "users/second_factor/new.html", "profile", **context)


def codes_page(person: Person, codes: list[str], title: str) -> str:
    return show(person, "users/second_factor/codes.html", "profile", codes=codes, title=title)


def own_secret(person: Person) -> str:
    """The secret in the form's signed state, so that no one else can choose it for the person."""
    user_id, secret = forms().read(request.form.get("state", ""))
    if user_id != person.id:
        abort(400)
    return str(secret)


def forms() -> FormSigner:
    return FormSigner("second factor")
