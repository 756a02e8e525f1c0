"""Signing in and out."""

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from webapp.actions.sign_in import sign_in as check
from webapp.extensions import db, parts
from webapp.web.access import Person, load_person, signed_in
from webapp.web.menu import first_page

blueprint = Blueprint("session", __name__)

WRONG = "That email and password do not belong together."


@blueprint.get("/")
def home() -> ResponseReturnValue:
    return redirect(url_for(first_page(signed_in())))


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(way_on(signed_in()))
    return render_template("session/sign_in.html", email="", error="", next=safe_next())


@blueprint.post("/sign-in")
def start() -> ResponseReturnValue:
    email, password = request.form.get("email", ""), request.form.get("password", "")
    now = parts().clock.now()
    user_id = check(db.session(), email, password, request.remote_addr or "", now)
    session.clear()  # what was known before signing in does not carry over
    person = load_person(str(user_id)) if user_id is not None else None
    if person is None:
        form = {"email": email, "error": WRONG, "next": safe_next()}
        return render_template("session/sign_in.html", **form), 422
    session.permanent = True
    login_user(person)
    return redirect(way_on(person), 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    logout_user()
    session.clear()
    return redirect(url_for("session.sign_in"), 303)


def way_on(person: Person) -> str:
    """Where to go after signing in: where they wanted to, or the first page that they may see."""
    return safe_next() or url_for(first_page(person))


def safe_next() -> str:
    """The address they wanted to go to, if it is one of ours."""
    wished = request.values.get("next", "")
    parsed = urlsplit(wished)
    ours = wished.startswith("/") and not wished.startswith(("//", "/\\"))
    if ours and not parsed.scheme and not parsed.netloc and wished.isprintable():
        return wished
    return ""
