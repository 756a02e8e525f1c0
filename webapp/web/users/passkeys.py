"""Passkeys: challenges, and adding, renaming and removing passkeys."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.actions.users import passkeys as actions
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.extensions import make_context, services
from webapp.reads.message import Message
from webapp.web.http.access import require_confirmed, signed_in
from webapp.web.http.passkey_challenges import new_challenge, relying_party, take_challenge
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import go_to
from webapp.web.users import profile

blueprint = Blueprint("passkeys", __name__)


@blueprint.post("/passkeys/request")
def request_options() -> ResponseReturnValue:
    """The challenge for sign-in and for re-authentication."""
    return jsonify(actions.request_options(new_challenge(), relying_party()))


@blueprint.post("/settings/profile/passkeys/creation")
def creation_options() -> ResponseReturnValue:
    person = signed_in()
    require_confirmed(person)
    options = actions.creation_options(make_context(), person.id, new_challenge(), relying_party())
    return jsonify(options)


@blueprint.post("/settings/profile/passkeys")
def create() -> ResponseReturnValue:
    person = signed_in()
    require_confirmed(person)
    require_reauthentication(person)
    name = request.form.get("passkey_name", "")
    try:
        passkey = actions.add_passkey(
            make_context(person.actor),
            person.id,
            name,
            request.form.get("credential", ""),
            take_challenge(),
            relying_party(),
        )
    except Invalid as invalid:
        screen = profile.typed(person, dict(invalid.fields), passkey_name=name)
        return profile.page(person, screen), 422
    except Refusal as refusal:
        return go_to("profile.index", Message(refusal.sentence, "bad"))
    services().wake()
    return go_to("profile.index", Message(f"The passkey {passkey.name} is saved."))


@blueprint.post("/settings/profile/passkeys/<int:passkey_id>/name")
def rename(passkey_id: int) -> ResponseReturnValue:
    person = signed_in()
    name = request.form.get("passkey_name", "")
    try:
        actions.rename_passkey(make_context(), person.id, passkey_id, name)
    except Invalid as invalid:
        return go_to("profile.index", Message(invalid.fields["passkey_name"], "bad"))
    return go_to("profile.index", Message("The passkey is renamed."))


@blueprint.post("/settings/profile/passkeys/<int:passkey_id>/removal")
def remove(passkey_id: int) -> ResponseReturnValue:
    person = signed_in()
    require_reauthentication(person)
    ctx = make_context(person.actor)
    name = actions.remove_passkey(ctx, person.id, passkey_id)
    services().wake()
    return go_to("profile.index", Message(f"The passkey {name} is removed."))
