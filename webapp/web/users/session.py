"""Sign-in in one or two steps, and sign-out."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import generate_csrf

from webapp.actions.users import sessions
from webapp.actions.users.passkeys import sign_in_with_passkey
from webapp.actions.users.sign_in import finish_sign_in
from webapp.actions.users.sign_in import sign_in as check
from webapp.domain.shared.errors import Refusal, TooOften
from webapp.domain.users.user import User
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.web.http import rate_limits
from webapp.web.http.access import PORTAL, begin_session, signed_in
from webapp.web.http.menu import first_page
from webapp.web.http.passkey_challenges import relying_party, take_challenge
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import flashed_message, go_to, say

blueprint = Blueprint("session", __name__)

WRONG = "Wrong email or password."
NO_MEMBERSHIP = "You are no longer a member of any account. Ask an account’s owner to invite you."
WRONG_CODE = "That code is wrong or has already been used"

PENDING = "half"
"""Session key: the user who has entered the password and must enter a code."""
PENDING_LASTS = timedelta(minutes=10)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    return redirect(url_for(first_page(signed_in())))


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(start_url(signed_in(allow_missing_second_factor=True)))
    return form()


@blueprint.get("/session")
def here() -> ResponseReturnValue:
    """The signed-in person and their CSRF token, for pages that are still open."""
    person = signed_in(allow_missing_second_factor=True)
    return {"who": person.who, "token": generate_csrf()}


@blueprint.post("/sign-in")
def start() -> ResponseReturnValue:
    if request.form.get("credential"):
        return sign_in_by_passkey()
    email, password = request.form.get("email", ""), request.form.get("password", "")
    remember = request.form.get("remember") == "1"
    ctx = make_context()
    try:
        rate_limits.sign_in(email)
    except TooOften as refusal:
        return form(email, refusal.sentence), 429
    user_id = check(ctx, email, password, request.remote_addr or "")
    user = User.with_accounts(db.session(), user_id) if user_id is not None else None
    if user is None:
        return form(email, WRONG), 422
    rate_limits.clear_sign_in(email)
    if user.has_second_factor:
        session.clear()
        since = int(ctx.now.timestamp())
        session[PENDING] = [user.id, user.session_version, since, remember]
        return redirect(url_for("session.code", next=safe_next() or None), 303)
    return enter(user, "password", remember=remember)


@blueprint.get("/sign-in/code")
def code() -> ResponseReturnValue:
    if pending_user() is None:
        return redirect(url_for("session.sign_in", next=safe_next() or None), 303)
    return render_template("users/session/code.html", error="", next=safe_next())


@blueprint.post("/sign-in/code")
def finish() -> ResponseReturnValue:
    user = pending_user()
    if user is None:
        say(Message("That took too long. Sign in again.", "bad"))
        return redirect(url_for("session.sign_in", next=safe_next() or None), 303)
    text, ctx = request.form.get("code", ""), make_context()
    try:
        rate_limits.code(user.id)
    except TooOften as refusal:
        error = refusal.sentence
        return render_template("users/session/code.html", error=error, next=safe_next()), 429
    if not finish_sign_in(ctx, user.id, text, request.remote_addr or ""):
        return render_template("users/session/code.html", error=WRONG_CODE, next=safe_next()), 422
    rate_limits.clear_code(user.id)
    return enter(user, "password and code", remember=bool(session[PENDING][3]))


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    portal_url = ""
    if current_user.is_authenticated:
        person = signed_in(allow_missing_second_factor=True)
        sessions.sign_out(make_context(), person.session_id)
        portal_url = person.portal_url
    session.clear()
    if portal_url:
        # Chromium applies form-action to redirects too, so this is a page that leads on.
        return render_template("users/session/signed_out.html", portal_url=portal_url)
    return redirect(url_for("session.sign_in"), 303)


@blueprint.post("/sign-out/everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    person = signed_in(allow_missing_second_factor=True)
    sessions.sign_out_everywhere(make_context(person.actor), person.id)
    session.clear()
    say(Message("You are signed out everywhere."))
    return redirect(url_for("session.sign_in"), 303)


@blueprint.post("/settings/profile/sessions/others/end")
def sign_out_others() -> ResponseReturnValue:
    person = signed_in()
    require_reauthentication(person)
    here = person.session_id
    sessions.sign_out_everywhere(make_context(person.actor), person.id, keep=here)
    return go_to("profile.index", Message("All other sessions have ended."))


@blueprint.post("/settings/profile/sessions/<int:session_id>/end")
def end(session_id: int) -> ResponseReturnValue:
    person = signed_in()
    require_reauthentication(person)
    ctx = make_context(person.actor)
    device = sessions.end_session(ctx, person.id, session_id)
    return go_to("profile.index", Message(f"{device} is signed out."))


def sign_in_by_passkey() -> ResponseReturnValue:
    """Sign in with a passkey. It counts as two factors, so no code is needed."""
    credential, address = request.form["credential"], request.remote_addr or ""
    challenge, party, ctx = take_challenge(), relying_party(), make_context()
    try:
        user_id = sign_in_with_passkey(ctx, credential, challenge, party, address)
    except Refusal as refusal:
        return form("", refusal.sentence), 422
    user = db.session.get_one(User, user_id)
    return enter(user, "passkey", remember=request.form.get("remember") == "1")


def form(email: str = "", error: str = "") -> str:
    return render_template(
        "users/session/sign_in.html",
        email=email,
        error=error,
        next=safe_next(),
        message=flashed_message(),
        offers_sign_up=services().settings.offers_sign_up,
        portal_url=session.get(PORTAL, ""),
        provider=services().policy.provider.name,
    )


def enter(user: User, signed_in_with: str, *, remember: bool) -> ResponseReturnValue:
    person = begin_session(user.id, signed_in_with, remember=remember)
    if person is None:
        return form(user.email, NO_MEMBERSHIP), 422
    return redirect(start_url(person), 303)


def pending_user() -> User | None:
    """The user who has entered the password within the last ten minutes and must enter a code."""
    user_id, version, since, _ = session.get(PENDING, (0, 0, 0, False))
    user = User.with_accounts(db.session(), user_id)
    age = services().clock.now().timestamp() - since
    if user is None or user.session_version != version or abs(age) > PENDING_LASTS.total_seconds():
        return None
    return user


def start_url(person: Person) -> str:
    """The URL after sign-in: the requested page, or the person's start page."""
    return safe_next() or url_for(first_page(person))


def safe_next() -> str:
    """The URL in `next`, if it is a path on this host; otherwise empty."""
    target = request.values.get("next", "")
    parsed = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    if is_path and not parsed.scheme and not parsed.netloc and target.isprintable():
        return target
    return ""
