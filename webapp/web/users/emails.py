"""Confirm and change email addresses."""

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.users.change_email import ask_for_email, confirm_email
from webapp.domain.shared import signed_links
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.users.user import User
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.web.http import rate_limits
from webapp.web.http.access import link_location, require_confirmed, signed_in
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import go_to, say
from webapp.web.payment_methods.responses import fields_of, status_of
from webapp.web.users import profile

blueprint = Blueprint("emails", __name__)

LINK = "/confirm-email/<token>"

NO_VERSION = -1
"""For old links without a version, which no longer work."""


@blueprint.get(LINK)
def confirmation(token: str) -> ResponseReturnValue:
    """Ask before confirming: email scanners open links and must not confirm anything."""
    user_id, email, _, _ = read_token(token)
    if (question := redirect_unless_owner(user_id, email, token)) is not None:
        return question
    return render_template("users/session/confirm_email.html", token=token, email=email)


@blueprint.post(LINK)
def confirm(token: str) -> ResponseReturnValue:
    user_id, email, expires, version = read_token(token)
    if (question := redirect_unless_owner(user_id, email, token)) is not None:
        return question
    ctx, address = make_context(), request.remote_addr or ""
    here = signed_in(allow_missing_second_factor=True) if current_user.is_authenticated else None
    keep = here.session_id if here is not None and here.id == user_id else None
    confirm_email(ctx, user_id, email, expires, version, address, keep=keep)
    services().wake()
    say(Message(f"{email} is confirmed."))
    back = "profile.index" if current_user.is_authenticated else "session.sign_in"
    if keep is not None and here is not None and not here.is_confirmed:
        back = "session.home"  # which shows the next step
    return redirect(url_for(back), 303)


@blueprint.post("/settings/profile/email")
def change() -> ResponseReturnValue:
    person = signed_in()
    require_confirmed(person)
    require_reauthentication(person)
    email = request.form.get("email", "")
    try:
        rate_limits.confirmation(person)
        ask_for_email(make_context(person.actor), person.id, email)
    except Refusal as refusal:
        errors = fields_of(refusal) or {"email": refusal.sentence}
        screen = profile.typed(person, errors, new_email=email)
        return profile.page(person, screen), status_of(refusal)
    services().wake()
    where = link_location(person, email.strip())
    return go_to("profile.index", Message(f"{where} Your address changes when you open it."))


def redirect_unless_owner(user_id: int, email: str, token: str) -> ResponseReturnValue | None:
    """Redirect to sign-in unless the person who signed up opens the link.

    Only they know the password. The owner of the address, if someone else signed up with it, can
    reset the password instead, which ends the other person's access.
    """
    user = db.session.get(User, user_id)
    if user is None or user.is_confirmed or user.email != email:
        return None
    if current_user.is_authenticated and signed_in(allow_missing_second_factor=True).id == user_id:
        return None
    say(Message(f"Sign in to confirm {email}. If you did not sign up, ignore the email.", "bad"))
    return redirect(url_for("session.sign_in", next=url_for("emails.confirmation", token=token)))


def read_token(token: str) -> tuple[int, str, int, int]:
    """The link's user id, email address, expiry and session version.

    Raises `NotFound` for an invalid link.
    """
    value = signed_links.read(str(current_app.secret_key), signed_links.CONFIRM, token)
    if value is None:
        raise NotFound("That link")
    user_id, email, expires, *version = value
    return user_id, email, expires, version[0] if version else NO_VERSION
