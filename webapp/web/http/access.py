"""Who is asking, and whether they may.

`permit` is the first beat of every handler. Finding a record within the person's own account is
the other half of the check: another account's record is not found.
"""

import json
from dataclasses import asdict
from typing import cast
from urllib.parse import urlsplit

from flask import (
    Flask,
    abort,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.routing import IntegerConverter

from webapp.actions.users.sessions import record_session_use, start_session
from webapp.domain.shared.errors import Refusal
from webapp.domain.users import operators
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import Right, User
from webapp.extensions import db, login_manager, services
from webapp.reads.message import Message
from webapp.web.http.devices import device_of
from webapp.web.http.person import NO_ACCOUNT, Person
from webapp.web.http.reauthentication import require_reauthentication

ACCOUNT = "account"
"""In the session: the id of the account that the person works for."""
TOKEN = "_user_id"
"""In the cookie: the token of the session's row. Flask-Login asks for a person by this name."""

NO_EMAIL = "This installation sends no email."

LOOKING = "You are viewing this account as its customer. Controls are off."
"""Why an operator who sees an account as its customer does can change nothing."""


class NoRight(Exception):
    """The person's role does not allow what they asked for; `errors.py` names the roles that do."""

    def __init__(self, person: Person, right: Right) -> None:
        super().__init__(f"{right} is missing")
        self.person, self.right = person, right


class Unconfirmed(Refusal):
    """The person has not opened the link that went to their address."""

    code = "unconfirmed"

    def __init__(self, person: Person) -> None:
        super().__init__(f"Confirm your email address first. {link_is_where(person)}")
        self.person = person


def link_is_where(person: Person, address: str = "") -> str:
    """Where to find the link that was made for the address; by default the person's own.

    Without a mail server the email stays in the outbox, which only the sandbox shows.
    """
    if services().settings.mail_server:
        return f"We sent a link to {address or person.email}."
    if may_open_outbox(person):
        return f"{NO_EMAIL} Open the link in the sandbox outbox, or ask your provider."
    return f"{NO_EMAIL} Ask your provider for the link."


def may_open_outbox(person: Person) -> bool:
    return services().sandbox is not None and person.may(Right.BILLING)


class RecordId(IntegerConverter):
    """An id in a path; one that is too large for the database is not found, as any other."""

    # Not by `max`: what a converter refuses would be taken by no other route either, such as the
    # one that answers machines (webapp/api/http/unknown_routes.py).
    regex = "[0-9]{1,9}"


def init_app(app: Flask) -> None:
    app.url_map.converters["int"] = RecordId
    login_manager.user_loader(load_person)
    login_manager.unauthorized_handler(ask_to_sign_in)


def load_person(token: str) -> Person | None:
    wall, address = services().clock.wall(), request.remote_addr or ""
    here = UserSession.find(db.session(), token, wall)
    if here is None:
        return None
    person = person_of(here, session.get(ACCOUNT))
    if here.is_due_to_be_noted(wall):
        record_session_use(db.session(), here.id, address, wall)
    return person


def person_of(here: UserSession, account_id: int | None) -> Person | None:
    """In that account, if they still belong to it; else in their first one (P3)."""
    user = here.user
    theirs = {membership.account_id for membership in user.memberships}
    if not theirs and operators.is_operator(db.session(), user.id):
        return operator_of(here, account_id)
    if not theirs:
        return None
    if account_id not in theirs:
        account_id = min(theirs)
    asked = any(
        m.account_id == account_id and m.account.second_factor_required for m in user.memberships
    )
    return Person(
        id=user.id,
        session_id=here.id,
        proved_at=here.proved_at,
        name=user.name,
        email=user.email,
        account_id=account_id,
        rights=user.rights_in(account_id),
        is_confirmed=user.is_confirmed,
        has_second_factor=user.has_second_factor,
        owes_second_factor=asked and not user.has_second_factor,
    )


def operator_of(here: UserSession, seen: int | None) -> Person:
    """One of the provider's staff; with an account, as its customer sees it, to look only."""
    user = here.user
    sees = seen is not None and user.has_second_factor
    return Person(
        id=user.id,
        session_id=here.id,
        proved_at=here.proved_at,
        name=user.name,
        email=user.email,
        account_id=seen if seen is not None and sees else NO_ACCOUNT,
        rights=frozenset(Right) if sees else frozenset(),
        is_confirmed=True,
        has_second_factor=user.has_second_factor,
        owes_second_factor=not user.has_second_factor,
        is_operator=True,
    )


def permit_operator() -> Person:
    """For nobody else is there anything here."""
    person = signed_in()
    if not person.is_operator:
        abort(404)
    return person


def look_into(account_id: int | None) -> None:
    """From now on an operator's session sees this account as its customer does; None: no more."""
    session.pop(ACCOUNT, None)
    if account_id is not None:
        session[ACCOUNT] = account_id


def begin_session(user_id: int, signed_in_with: str, *, remember: bool = False) -> Person | None:
    """A new session of somebody who has just authenticated; None: they are in no account.

    Nothing of the cookie before carries over.
    """
    session.clear()
    wall = services().clock.wall()
    token = start_session(
        db.session(),
        user_id,
        signed_in_with=signed_in_with,
        remember=remember,
        device=device_of(request.user_agent.string),
        address=request.remote_addr or "",
        wall=wall,
    )
    person = load_person(token)
    if person is not None:
        session.permanent = remember
        session[TOKEN] = token
    return person


def signed_in(*, owing: bool = False) -> Person:
    """The signed-in person, whatever their rights; else sign-in.

    Who owes the account a second factor is led to setting it up, unless `owing`.
    """
    if not current_user.is_authenticated:
        abort(make_response(ask_to_sign_in()))
    person = cast(Person, current_user._get_current_object())  # noqa: SLF001  # not its proxy
    if person.owes_second_factor and not owing:
        abort(make_response(lead_to(url_for("second_factor.new"))))
    return person


def permit(right: Right, *, confirmed: bool = False, proved: bool = False) -> Person:
    """The signed-in person, if they have the right; else sign-in, or `NoRight`.

    `confirmed`: for what brings in money, other people or machines: their email address is theirs.
    `proved`: for what needs authentication of the last 15 minutes, see `reauthentication.py`.
    """
    person = signed_in()
    if not person.may(right):
        raise NoRight(person, right)
    if confirmed:
        require_confirmed(person)
    if proved:
        require_reauthentication(person)
    return person


def require_confirmed(person: Person) -> None:
    """Raises `Unconfirmed`: somebody else may own the address."""
    if not person.is_confirmed:
        raise Unconfirmed(person)


def work_for(account_id: int) -> None:
    """From now on the session is about that account. 404 for one they do not belong to (P3)."""
    user = User.with_accounts(db.session(), signed_in(owing=True).id)
    if user is None or not user.roles_in(account_id):
        abort(404)
    session[ACCOUNT] = account_id
    # Forms that other windows still show are about the account before: they are out of date.
    session.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)
    g.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)


def ask_to_sign_in() -> ResponseReturnValue:
    """To the sign-in page and back; a script asks over its page (static/js/signed_out.js)."""
    if request.headers.get("HX-Request") == "true":
        return session_ended()
    is_get = request.method == "GET"
    if not is_get or session.pop(TOKEN, None):
        flash(json.dumps(asdict(Message("You were signed out. Sign in to return.", "warn"))))
    back = request.full_path.rstrip("?") if is_get else page_of_the_form()
    return redirect(url_for("session.sign_in", next=back), 303)


def session_ended() -> ResponseReturnValue:
    """For a script whose page is of a session that has ended."""
    return "", 401, {"X-Session": "ended", "HX-Reswap": "none"}


def page_of_the_form() -> str | None:
    """The page that a posted form was on, if it is one of ours."""
    came = urlsplit(request.referrer or "")
    ours = came.netloc == request.host and came.path.startswith("/")
    return f"{came.path}?{came.query}".rstrip("?") if ours else None


def lead_to(address: str) -> ResponseReturnValue:
    if request.headers.get("HX-Request") == "true":
        return "", 401, {"HX-Redirect": address}
    return redirect(address, 303)
