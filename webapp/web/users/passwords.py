"""Passwords: request a reset link, reset and change."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.users import passwords as actions
from webapp.domain.shared import signed_links
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.users.user import User
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.web.http import rate_limits
from webapp.web.http.access import signed_in
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import go_to, say
from webapp.web.payment_methods.responses import fields_of, status_of
from webapp.web.users import profile

blueprint = Blueprint("passwords", __name__)

LINK = "/reset-password/<token>"


@blueprint.get("/forgot-password")
def forgotten() -> ResponseReturnValue:
    return forgotten_page()


@blueprint.post("/forgot-password")
def ask() -> ResponseReturnValue:
    """Create a reset link. The response is the same for unknown addresses."""
    email = request.form.get("email", "")
    rate_limits.reset(email)
    actions.forget_password(make_context(), email, request.remote_addr or "")
    services().wake()
    return forgotten_page(email.strip()[:254])


def forgotten_page(asked: str = "") -> str:
    sends = bool(services().settings.mail_server)
    return render_template("users/session/forgot_password.html", asked=asked, sends_email=sends)


@blueprint.get(LINK)
def new(token: str) -> ResponseReturnValue:
    user_id, version, expires = read_token(token)
    user = db.session.get(User, user_id)
    if user is None or not actions.is_alive(user, version, expires, services().clock.now()):
        raise Refusal(actions.DEAD)
    return render_template(
        "users/session/reset_password.html", token=token, error="", email=user.email
    )


@blueprint.post(LINK)
def reset(token: str) -> ResponseReturnValue:
    user_id, version, expires = read_token(token)
    password, ctx = request.form.get("password", ""), make_context()
    address = request.remote_addr or ""
    try:
        actions.reset_password(ctx, user_id, version, expires, password, address)
    except Invalid as invalid:
        form = {"token": token, "error": invalid.fields["password"], "email": ""}
        return render_template("users/session/reset_password.html", **form), 422
    services().wake()
    session.clear()
    say(Message("Your password is changed. Sign in with it."))
    return redirect(url_for("session.sign_in"), 303)


@blueprint.post("/settings/profile/password")
def change() -> ResponseReturnValue:
    person = signed_in()
    present, password = request.form.get("present", ""), request.form.get("password", "")
    if person.has_second_factor:
        require_reauthentication(person)
    ctx = make_context(person.actor)
    try:
        rate_limits.code(person.id)
        here = person.session_id
        actions.change_password(ctx, person.id, present, password, keep=here)
    except Refusal as refusal:
        errors = fields_of(refusal) or {"present": refusal.sentence}
        return profile.page(person, profile.typed(person, errors)), status_of(refusal)
    rate_limits.clear_code(person.id)
    services().wake()
    return go_to(
        "profile.index", Message("Your password is changed. All other sessions have ended.")
    )


def read_token(token: str) -> tuple[int, int, int]:
    """The link's user id, session version and expiry. Raises `NotFound` for an invalid link."""
    value = signed_links.read(str(current_app.secret_key), signed_links.RESET, token)
    if value is None:
        raise NotFound("That link")
    user_id, version, expires = value
    return user_id, version, expires
