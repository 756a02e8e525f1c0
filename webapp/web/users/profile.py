"""The profile page, which every signed-in person has."""

from dataclasses import replace

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.users.change_name import change_name
from webapp.domain.shared.errors import Refusal
from webapp.extensions import db, make_context
from webapp.reads.message import Message
from webapp.reads.users.profile import ProfileScreen, read_profile
from webapp.web.http.access import signed_in
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, show
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("profile", __name__)


@blueprint.get("/settings/profile")
def index() -> ResponseReturnValue:
    person = signed_in()
    return page(person, read(person))


@blueprint.post("/settings/profile/name")
def rename() -> ResponseReturnValue:
    person = signed_in()
    name = request.form.get("name", "")
    try:
        change_name(make_context(person.actor), person.id, name)
    except Refusal as refusal:
        screen = typed(person, fields_of(refusal), name=name)
        return page(person, screen), status_of(refusal)
    return go_to("profile.index", Message("Your name is saved."))


def read(person: Person) -> ProfileScreen:
    here = person.session_id
    return read_profile(make_context(), person.id, person.account_id, here)


def typed(person: Person, errors: dict[str, str], **fields: str) -> ProfileScreen:
    """The profile with the submitted values and an error beside each invalid field."""
    db.session.rollback()
    return replace(read(person), errors=errors, **fields)  # type: ignore[arg-type]  # all texts


def page(person: Person, screen: ProfileScreen) -> str:
    return show(person, "users/profile/index.html", "profile", screen=screen)
