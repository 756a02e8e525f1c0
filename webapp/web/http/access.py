"""Authentication and permissions of page requests.

Every handler starts with `permit`. Records are looked up only in the person's account, so a record
of another account is not found.
"""

import json
from dataclasses import asdict
from typing import Any, cast
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

from webapp.actions.users.portal import PortalEntry
from webapp.actions.users.sessions import record_session_use, start_session
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal
from webapp.domain.users import operators
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import RIGHTS, Right, Role, User
from webapp.extensions import db, login_manager, make_context, services
from webapp.reads.message import Message
from webapp.web.http.devices import device_of
from webapp.web.http.person import NO_ACCOUNT, Person
from webapp.web.http.reauthentication import require_reauthentication

ACCOUNT = "account"
"""Session key: the id of the current account."""
TOKEN = "_user_id"
"""Session key: the token of the session's row, under the name that Flask-Login reads."""

PORTAL = "portal"
"""Session key: the page of the provider's portal from which the person came, for the way back when
their session has ended."""

FLASHED = "_flashes"
"""Session key, Flask's own: messages for the next page. They are about the current account."""

NO_EMAIL = "This installation sends no email."


class NoRight(Exception):
    """The person's role does not allow the request; `errors.py` names the roles that do."""

    def __init__(self, person: Person, right: Right) -> None:
        super().__init__(f"{right} is missing")
        self.person, self.right = person, right


class Unconfirmed(Refusal):
    """The person has not confirmed their email address."""

    code = "unconfirmed"

    def __init__(self, person: Person) -> None:
        super().__init__(f"Confirm your email address first. {link_location(person)}")
        self.person = person


def link_location(person: Person, address: str = "") -> str:
    """Say where to find the link for `address`, which is the person's own by default.

    Without a mail server the email stays in the outbox, which only the sandbox shows.
    """
    if services().settings.mail_server:
        return f"We sent a link to {address or person.email}."
    if may_open_outbox(person):
        return f"{NO_EMAIL} Open the link in the sandbox outbox, or ask your provider."
    return f"{NO_EMAIL} Ask your provider for the link."


def may_open_outbox(person: Person) -> bool:
    """Whether a customer may open the sandbox's page, and on it the outbox: only in a demo.

    `web/sandbox/visit.py` refuses the page to the others. Staff open it from their own menu.
    """
    installed = services()
    return installed.sandbox is not None and installed.settings.demo and person.may(Right.BILLING)


class RecordId(IntegerConverter):
    """A record id in a path. An id too large for the database is not found."""

    # Not `max`: a value that the converter rejects would match no other route either, such as the
    # API's route for unknown paths (webapp/api/http/unknown_routes.py).
    regex = "[0-9]{1,9}"


def init_app(app: Flask) -> None:
    app.url_map.converters["int"] = RecordId
    login_manager.user_loader(load_person)
    login_manager.unauthorized_handler(ask_to_sign_in)


def load_person(token: str) -> Person | None:
    wall, address = services().clock.wall(), request.remote_addr or ""
    current = UserSession.find(db.session(), token, wall)
    if current is None:
        return None
    person = person_of(current, session.get(ACCOUNT))
    if current.should_record_use(wall):
        record_session_use(make_context(), current.id, address, wall)
    return person


def person_of(current: UserSession, account_id: int | None) -> Person | None:
    """The session's person in that account, or in their first one if they are not in it (P3).

    None if they belong to no account and are no operator.
    """
    user = current.user
    if current.account_id is not None:
        return portal_person(current, current.account_id)
    account_ids = {membership.account_id for membership in user.memberships}
    if not account_ids and operators.is_operator(db.session(), user.id):
        return operator_of(current, account_id)
    if not account_ids:
        return None
    if account_id not in account_ids:
        account_id = min(account_ids)
    is_required = any(
        m.account_id == account_id and m.account.second_factor_required for m in user.memberships
    )
    return _person(
        current,
        account_id=account_id,
        rights=user.rights_in(account_id),
        must_set_up_second_factor=is_required and not user.has_second_factor,
        is_closed=any(m.account_id == account_id and m.account.is_closed for m in user.memberships),
    )


def portal_person(current: UserSession, account_id: int) -> Person | None:
    """The person of a portal session: never more than its role, nor than a member's own (V8).

    None if they are no member any more.
    """
    user, role = current.user, Role(current.role or "")
    rights = RIGHTS[role] if user.is_of_portal else RIGHTS[role] & user.rights_in(account_id)
    if not rights:
        return None
    return _person(
        current,
        account_id=account_id,
        rights=rights,
        must_set_up_second_factor=False,
        is_closed=db.session().get_one(Account, account_id).is_closed,
        portal_url=current.return_url or "",
        role=role,
    )


def operator_of(current: UserSession, viewed_id: int | None) -> Person:
    """The session's operator. With `viewed_id` they view that account read-only."""
    user = current.user
    is_viewing = viewed_id is not None and user.has_second_factor
    return _person(
        current,
        account_id=viewed_id if viewed_id is not None and is_viewing else NO_ACCOUNT,
        rights=frozenset(Right) if is_viewing else frozenset(),
        is_confirmed=True,
        must_set_up_second_factor=not user.has_second_factor,
        is_operator=True,
    )


def _person(current: UserSession, **facts: Any) -> Person:
    """The session's user, with the facts that depend on the kind of session."""
    user = current.user
    return Person(
        id=user.id,
        session_id=current.id,
        proved_at=current.proved_at,
        name=user.name,
        email=user.email,
        has_second_factor=user.has_second_factor,
        **{"is_confirmed": user.is_confirmed, **facts},
    )


def permit_operator() -> Person:
    """The signed-in operator; 404 for everyone else."""
    person = signed_in()
    if not person.is_operator:
        abort(404)
    return person


def view_account(account_id: int | None) -> None:
    """Let the operator's session view this account as its customer; None ends the view."""
    session.pop(ACCOUNT, None)
    session.pop(FLASHED, None)
    if account_id is not None:
        session[ACCOUNT] = account_id


def begin_session(user_id: int, signed_in_with: str, *, remember: bool = False) -> Person | None:
    """Start a session for a user who has just authenticated.

    None if they belong to no account. Nothing is kept from the previous cookie.
    """
    session.clear()
    wall = services().clock.wall()
    token = start_session(
        make_context(),
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


def begin_portal_session(entry: PortalEntry) -> None:
    """Keep the session that a portal link has started. Nothing is kept from the previous cookie."""
    session.clear()
    session[TOKEN], session[ACCOUNT] = entry.token, entry.account_id
    session[PORTAL] = entry.return_url


def signed_in(*, allow_missing_second_factor: bool = False) -> Person:
    """Return the signed-in person without a rights check, or redirect to sign-in.

    A person who must set up two-step sign-in is redirected to do so, unless
    `allow_missing_second_factor`.
    """
    if not current_user.is_authenticated:
        abort(make_response(ask_to_sign_in()))
    person = cast(Person, current_user._get_current_object())  # noqa: SLF001  # not its proxy
    if person.must_set_up_second_factor and not allow_missing_second_factor:
        abort(make_response(redirect_page(url_for("second_factor.new"))))
    return person


def permit(right: Right, *, confirmed: bool = False, proved: bool = False) -> Person:
    """Return the signed-in person if they have the right; raise `NoRight` or redirect to sign-in.

    `confirmed`: require a confirmed email address, as for payments, invitations and API keys.
    `proved`: require authentication within the last 15 minutes, see `reauthentication.py`.
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
    """Raises `Unconfirmed`: an unconfirmed address may belong to another person."""
    if not person.is_confirmed:
        raise Unconfirmed(person)


def switch_account(account_id: int) -> None:
    """Make this the session's current account. 404 if the person does not belong to it (P3)."""
    person = signed_in(allow_missing_second_factor=True)
    user = User.with_accounts(db.session(), person.id)
    if person.is_from_portal or user is None or not user.roles_in(account_id):
        abort(404)
    session[ACCOUNT] = account_id
    session.pop(FLASHED, None)
    # Forms in other windows belong to the previous account: a new CSRF token invalidates them.
    session.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)
    g.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)


def ask_to_sign_in() -> ResponseReturnValue:
    """Redirect to sign-in and back; a script opens a dialog instead (static/js/signed_out.js)."""
    if request.headers.get("HX-Request") == "true":
        return session_ended()
    is_get = request.method == "GET"
    if not is_get or session.pop(TOKEN, None):
        flash(json.dumps(asdict(Message("You were signed out. Sign in to return.", "warn"))))
    back = request.full_path.rstrip("?") if is_get else referring_page()
    return redirect(url_for("session.sign_in", next=back), 303)


def session_ended() -> ResponseReturnValue:
    """The response to a script whose session has ended."""
    return "", 401, {"X-Session": "ended", "HX-Reswap": "none"}


def referring_page() -> str | None:
    """The path of the page that the posted form was on, if that page is on this host."""
    page = urlsplit(request.referrer or "")
    is_own = page.netloc == request.host and page.path.startswith("/")
    return f"{page.path}?{page.query}".rstrip("?") if is_own else None


def redirect_page(address: str) -> ResponseReturnValue:
    """Redirect the whole page, also in response to a script."""
    if request.headers.get("HX-Request") == "true":
        return "", 401, {"HX-Redirect": address}
    return redirect(address, 303)
