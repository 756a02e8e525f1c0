"""API keys: create, rotate and revoke the keys of an account."""

from datetime import timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.api_keys.create_key import NewKey, create_key
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.api_keys.rotate_key import rotate_key
from webapp.domain.api_keys.api_key import KeyChoice, Scope
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.reads.api_keys import read_key, read_keys, read_scopes
from webapp.reads.message import Message
from webapp.web.http import rate_limits
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, show, show_dialog
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("api_keys", __name__, url_prefix="/settings/api-keys")

KEY = "/<int:key_id>"

DEFAULT_SCOPES = [Scope.BALANCE_READ]
"""Preselected for a new key."""

LIFETIMES = {
    "": ("Never", None),
    "30": ("After 30 days", timedelta(days=30)),
    "90": ("After 90 days", timedelta(days=90)),
    "365": ("After a year", timedelta(days=365)),
}
OVERLAPS = {
    "24": ("24 hours", timedelta(hours=24)),
    "1": ("1 hour", timedelta(hours=1)),
    "168": ("7 days", timedelta(days=7)),
    "0": ("No overlap: revoke the old key now", timedelta()),
}


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    screen = read_keys(make_context(), person.account_id, person.rights)
    return show(person, "api_keys/index.html", "api_keys", screen=screen)


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return creation_form(person)


@blueprint.post("")
def create() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, confirmed=True, proved=True)
    choice = choice_in_form()
    try:
        rate_limits.new_key(person)
        made = create_key(make_context(person.actor), person.account_id, choice, person.rights)
    except Refusal as refusal:
        return creation_form(person, refusal), status_of(refusal)
    return shown_once(person, made)


@blueprint.get(f"{KEY}/rotation")
def rotation(key_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return key_dialog(person, "rotate", key_id)


@blueprint.post(f"{KEY}/rotation")
def rotate(key_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, confirmed=True, proved=True)
    _, overlap = OVERLAPS.get(request.form.get("overlap", ""), OVERLAPS["24"])
    try:
        rate_limits.new_key(person)
        made = rotate_key(
            make_context(person.actor), person.account_id, key_id, overlap, person.rights
        )
    except Refusal as refusal:
        return refused(person, "rotate", key_id, refusal)
    return shown_once(person, made)


@blueprint.get(f"{KEY}/revocation")
def revocation(key_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return key_dialog(person, "revoke", key_id)


@blueprint.post(f"{KEY}/revocation")
def revoke(key_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, confirmed=True, proved=True)
    ctx = make_context(person.actor)
    key = revoke_key(ctx, person.account_id, key_id)
    return go_to("api_keys.index", Message(f"{key.name} is revoked."))


def choice_in_form() -> KeyChoice:
    form = request.form
    networks = form.get("networks", "").replace(",", " ").split()
    _, lifetime = LIFETIMES.get(form.get("lasts", ""), LIFETIMES[""])
    scopes = tuple(form.getlist("scopes"))
    return KeyChoice(form.get("name", ""), scopes, tuple(networks), lifetime)


def creation_form(person: Person, refusal: Refusal | None = None) -> str:
    """The form with the submitted values and an error beside each invalid field."""
    db.session.rollback()
    errors = fields_of(refusal) if refusal else {}
    return dialog(
        person,
        "new",
        scopes=read_scopes(make_context(), person.account_id, person.rights),
        lasts=[(key, words) for key, (words, _) in LIFETIMES.items()],
        typed=request.form,
        chosen=request.form.getlist("scopes") if refusal else DEFAULT_SCOPES,
        errors=errors,
        refusal=refusal.sentence if refusal and not errors else "",
    )


def key_dialog(person: Person, name: str, key_id: int, refusal: str = "") -> str:
    key = read_key(make_context(), person.account_id, key_id, person.rights)
    overlaps = [(hours, words) for hours, (words, _) in OVERLAPS.items()]
    return dialog(person, name, key=key, overlaps=overlaps, refusal=refusal)


def refused(person: Person, name: str, key_id: int, refusal: Refusal) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    return key_dialog(person, name, key_id, refusal.sentence), status_of(refusal)


def shown_once(person: Person, made: NewKey) -> ResponseReturnValue:
    """Show the key without a redirect: the key is not stored, so no later request can show it."""
    return dialog(person, "shown", made=made), 201


def dialog(person: Person, name: str, **context: object) -> str:
    return show_dialog(person, f"api_keys/_{name}_dialog.html", "api_keys", "API keys", **context)
