"""Links that confirm an e-mail address, and changing it."""

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.change_email import ask_for_email, confirm_email
from webapp.domain import links
from webapp.domain.errors import NotFound, Refusal
from webapp.extensions import db, parts
from webapp.reads.message import Message
from webapp.web import profile, throttling
from webapp.web.access import prove, signed_in
from webapp.web.responses import go_to, say
from webapp.web.screen import fields_of, status_of

blueprint = Blueprint("emails", __name__)

LINK = "/confirm-email/<token>"


@blueprint.get(LINK)
def confirmation(token: str) -> ResponseReturnValue:
    """Asks first: programs that look into mails open links, and must not confirm anything."""
    _, email, _ = named(token)
    return render_template("session/confirm_email.html", token=token, email=email)


@blueprint.post(LINK)
def confirm(token: str) -> ResponseReturnValue:
    user_id, email, expires = named(token)
    now, address = parts().clock.now(), request.remote_addr or ""
    confirm_email(db.session(), user_id, email, expires, address, now)
    parts().wake()
    say(Message(f"{email} is confirmed."))
    back = "profile.index" if current_user.is_authenticated else "session.sign_in"
    return redirect(url_for(back), 303)


@blueprint.post("/settings/profile/email")
def change() -> ResponseReturnValue:
    person = signed_in()
    prove(person)
    email, it = request.form.get("email", ""), parts()
    try:
        throttling.confirmation(person)
        ask_for_email(db.session(), person.id, email, person.actor, it.clock.now())
    except Refusal as refusal:
        errors = fields_of(refusal) or {"email": refusal.sentence}
        screen = profile.typed(person, errors, new_email=email)
        return profile.page(person, screen), status_of(refusal)
    it.wake()
    sent = Message(
        "Open the link that we have sent to the new address. Until then nothing changes."
    )
    return go_to("profile.index", sent)


def named(token: str) -> tuple[int, str, int]:
    """The person, the address, and until when. Raises `NotFound` for a link that is not ours."""
    value = links.read(str(current_app.secret_key), links.CONFIRM, token)
    if value is None:
        raise NotFound("That link")
    user_id, email, expires = value
    return user_id, email, expires
