"""Who is asking, and whether they may.

`permit` is the first beat of every handler. Finding a record within the person's own account is
the other half of the check: another account's record is not found.
"""

from dataclasses import dataclass
from typing import cast

from flask import Flask, abort, current_app, g, make_response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import UserMixin, current_user
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer
from werkzeug.routing import IntegerConverter, Map

from webapp.domain.audit import Actor
from webapp.domain.users import Right, User
from webapp.extensions import db, login_manager

STATE_SECONDS = 3600
LARGEST_ID = 2**31 - 1

ACCOUNT = "account"
"""In the session: the id of the account that the person works for."""


@dataclass(frozen=True)
class Person(UserMixin):
    """The signed-in person, in the account they are working for."""

    id: int
    name: str
    account_id: int
    rights: frozenset[Right]

    def may(self, right: Right) -> bool:
        return right in self.rights

    @property
    def actor(self) -> Actor:
        return Actor(self.id, self.name, request.remote_addr or "")


class RecordId(IntegerConverter):
    """An id in a path; one that is too large for the database is not found, as any other."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST_ID)


def init_app(app: Flask) -> None:
    app.url_map.converters["int"] = RecordId
    login_manager.user_loader(load_person)
    login_manager.unauthorized_handler(ask_to_sign_in)


def load_person(user_id: str) -> Person | None:
    user = User.signed_in(db.session(), int(user_id))
    return None if user is None else person_of(user, session.get(ACCOUNT))


def person_of(user: User, account_id: int | None) -> Person | None:
    """In that account, if they still belong to it; else in their first one (P3)."""
    theirs = {membership.account_id for membership in user.memberships}
    if not theirs:
        return None
    if account_id not in theirs:
        account_id = min(theirs)
    return Person(user.id, user.name, account_id, user.rights_in(account_id))


def signed_in() -> Person:
    """The signed-in person, whatever their rights; else sign-in."""
    if not current_user.is_authenticated:
        abort(make_response(ask_to_sign_in()))
    return cast(Person, current_user)


def permit(right: Right) -> Person:
    """The signed-in person, if they have the right; else sign-in or 403."""
    person = signed_in()
    if not person.may(right):
        abort(403)
    return person


def work_for(account_id: int) -> None:
    """From now on this session is about that account. 404 for one they do not belong to (P3)."""
    user = User.signed_in(db.session(), signed_in().id)
    if user is None or not user.roles_in(account_id):
        abort(404)
    session[ACCOUNT] = account_id
    # Forms that other windows still show are about the account before: they are out of date.
    session.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)
    g.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)


def resume_token(secret_key: str, attempt_id: int) -> str:
    """Goes out with a mail: proves that the link to this payment is ours (F7)."""
    return URLSafeSerializer(secret_key, salt="resume a payment").dumps(attempt_id)


def attempt_in(token: str) -> int:
    """The attempt that a mail's link names; 404 for a token that is not ours."""
    try:
        signed = URLSafeSerializer(current_app.secret_key or "", salt="resume a payment")
        return int(signed.loads(token))
    except BadData:
        abort(404)


def sign_state(person: Person) -> str:
    """Goes with a person to the processor's form and comes back with its token."""
    return _states().dumps(person.id)


def is_own_state(person: Person, state: str) -> bool:
    try:
        return bool(_states().loads(state, max_age=STATE_SECONDS) == person.id)
    except BadData:
        return False


def _states() -> URLSafeTimedSerializer:
    # Signed rather than kept in the session: two answers that cross would lose one of the cookies.
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="capture form")


def ask_to_sign_in() -> ResponseReturnValue:
    """To the sign-in page and back; a fragment's request moves the whole page there."""
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    if request.headers.get("HX-Request") == "true":
        return "", 401, {"HX-Redirect": url_for("session.sign_in")}
    return redirect(url_for("session.sign_in", next=back), 303)
