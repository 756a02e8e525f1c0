"""Sign-up. The owner is signed in at once; payments wait until the email is confirmed."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.users import sign_up as action
from webapp.domain.shared.errors import Invalid, TooOften
from webapp.extensions import make_context, services
from webapp.reads.message import Message
from webapp.web.http import rate_limits
from webapp.web.http.access import (
    begin_session,
    link_location,
    redirect_page,
    referring_page,
    signed_in,
)
from webapp.web.http.errors import page as error_page
from webapp.web.http.menu import first_page
from webapp.web.http.responses import say

blueprint = Blueprint("sign_up", __name__)

FIELDS = {"name": "company", "owner_name": "name"}
"""The form's names for fields that the action names differently."""


CLOSED = ("Sign-up is off", "Ask your provider for an account. You are invited by email.")


@blueprint.before_request
def require_offer() -> ResponseReturnValue | None:
    """Strangers open accounts only where the operator allows it (V4)."""
    is_offered = services().settings.offers_sign_up or request.endpoint == "sign_up.send_again"
    return None if is_offered else error_page(404, *CLOSED)


@blueprint.get("/sign-up")
def new() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for(first_page(signed_in(allow_missing_second_factor=True))))
    return page({})


@blueprint.post("/sign-up")
def create() -> ResponseReturnValue:
    form = request.form
    try:
        rate_limits.sign_up()
        user_id = action.sign_up(
            make_context(),
            company=form.get("company", ""),
            name=form.get("name", ""),
            email=form.get("email", ""),
            password=form.get("password", ""),
            time_zone=form.get("time_zone") or "UTC",
            address=request.remote_addr or "",
        )
    except Invalid as invalid:
        errors = {FIELDS.get(field, field): error for field, error in invalid.fields.items()}
        return page(errors), 422
    except TooOften as refusal:
        return page({"form": refusal.sentence}), 429
    services().wake()
    begin_session(user_id, "password")
    return redirect(url_for("session.home"), 303)


@blueprint.post("/settings/profile/confirmations")
def send_again() -> ResponseReturnValue:
    person = signed_in(allow_missing_second_factor=True)
    action.send_confirmation_again(make_context(), person.id)
    services().wake()
    say(Message(link_location(person)))
    return redirect_page(referring_page() or url_for("profile.index"))


def page(errors: dict[str, str]) -> str:
    return render_template("users/session/sign_up.html", errors=errors, typed=request.form)
