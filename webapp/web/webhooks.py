"""Webhooks: the account's endpoints and their deliveries."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.utils import redirect

from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.endpoints import NewSecret
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.users.user import Right
from webapp.domain.webhooks.endpoint import CHOICES, OF_BALANCE, EndpointChoice
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.webhooks import WORDS, read_deliveries, read_endpoint, read_endpoints
from webapp.web.http import forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, say, show, show_dialog, wants_fragment
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("webhook_endpoints", __name__, url_prefix="/settings/webhooks")

ONE = "/<int:endpoint_id>"


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    rows = read_endpoints(make_context(), person.account_id)
    return show(person, "webhooks/index.html", "webhooks", rows=rows)


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return form(person, "new")


@blueprint.post("")
def create() -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, confirmed=True, proved=True)
    try:
        made = actions.add_endpoint(
            make_context(person.actor),
            person.account_id,
            choice_in_form(),
            person.rights,
            plain_http=bool(services().settings.webhook_allowed_networks),
        )
    except Refusal as refusal:
        return form(person, "new", refusal), status_of(refusal)
    return shown_once(person, made)


@blueprint.get(ONE)
def details(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    before = request.args.get("before", type=forms.record_id)
    screen = read_deliveries(
        make_context(), person.account_id, endpoint_id, person.rights, before=before
    )
    return show(person, "webhooks/details.html", "webhooks", screen=screen)


@blueprint.get(f"{ONE}/change")
def change_form(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return form(person, "change", endpoint_id=endpoint_id)


@blueprint.post(f"{ONE}/change")
def change(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, confirmed=True, proved=True)
    try:
        actions.change_endpoint(
            make_context(person.actor),
            person.account_id,
            endpoint_id,
            choice_in_form(),
            person.rights,
            plain_http=bool(services().settings.webhook_allowed_networks),
        )
    except NotFound:
        raise
    except Refusal as refusal:
        return form(person, "change", refusal, endpoint_id=endpoint_id), status_of(refusal)
    return back_to(endpoint_id, "Changes saved.")


@blueprint.post(f"{ONE}/state")
def switch(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    on = forms.switch_state()
    ctx = make_context(person.actor)
    actions.switch_endpoint(ctx, person.account_id, endpoint_id, on, person.rights)
    services().wake()
    return back_to(
        endpoint_id,
        "The webhook is on. Pending events are being sent." if on else "The webhook is off.",
    )


@blueprint.get(f"{ONE}/rotation")
def rotation(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return endpoint_dialog(person, "rotate", endpoint_id)


@blueprint.post(f"{ONE}/rotation")
def rotate(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, confirmed=True, proved=True)
    ctx = make_context(person.actor)
    made = actions.rotate_secret(ctx, person.account_id, endpoint_id, person.rights)
    return shown_once(person, made)


@blueprint.get(f"{ONE}/removal")
def removal(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    return endpoint_dialog(person, "remove", endpoint_id)


@blueprint.post(f"{ONE}/removal")
def remove(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL, proved=True)
    ctx = make_context(person.actor)
    actions.remove_endpoint(ctx, person.account_id, endpoint_id, person.rights)
    return go_to("webhook_endpoints.index", Message("The webhook is removed."))


@blueprint.post(f"{ONE}/tests")
def test(endpoint_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    try:
        actions.send_test(make_context(), person.account_id, endpoint_id)
    except NotFound:
        raise
    except Refusal as refusal:
        return back_to(endpoint_id, refusal.sentence, tone="bad")
    services().wake()
    return back_to(endpoint_id, "The test event is being sent.")


@blueprint.post(f"{ONE}/deliveries/<int:delivery_id>/resends")
def resend(endpoint_id: int, delivery_id: int) -> ResponseReturnValue:
    person = permit(Right.TECHNICAL)
    try:
        actions.send_again(make_context(), person.account_id, delivery_id)
    except NotFound:
        raise
    except Refusal as refusal:
        return back_to(endpoint_id, refusal.sentence, tone="bad")
    services().wake()
    return back_to(endpoint_id, "The event is being sent again.")


def choice_in_form() -> EndpointChoice:
    sent = request.form
    return EndpointChoice(sent.get("url", ""), sent.get("name", ""), tuple(sent.getlist("events")))


def form(
    person: Person, name: str, refusal: Refusal | None = None, endpoint_id: int | None = None
) -> str:
    """The form with the submitted or saved values, and an error beside each invalid field."""
    db.session.rollback()
    offered = [kind for kind in CHOICES if person.may(Right.BILLING) or kind in OF_BALANCE]
    url, title, chosen = "", "", [str(kind) for kind in offered]
    if endpoint_id is not None:
        ctx = make_context(person.actor)
        saved = read_endpoint(ctx, person.account_id, endpoint_id)
        url, title, chosen = saved.url, saved.name, list(saved.events)
    if refusal is not None:
        typed = choice_in_form()
        url, title, chosen = typed.url, typed.name, list(typed.events)
    errors = fields_of(refusal) if refusal else {}
    return dialog(
        person,
        "form",
        endpoint_id=endpoint_id,
        url=url,
        name=title,
        chosen=chosen,
        events=[(kind, WORDS[kind]) for kind in offered],
        errors=errors,
        refusal=refusal.sentence if refusal and not errors else "",
    )


def endpoint_dialog(person: Person, name: str, endpoint_id: int) -> str:
    ctx = make_context(person.actor)
    endpoint = read_endpoint(ctx, person.account_id, endpoint_id)
    return dialog(person, name, endpoint=endpoint)


def shown_once(person: Person, made: NewSecret) -> ResponseReturnValue:
    return dialog(person, "shown", made=made), 201


def dialog(person: Person, part: str, **context: object) -> str:
    return show_dialog(person, f"webhooks/_{part}_dialog.html", "webhooks", "Webhooks", **context)


def back_to(endpoint_id: int, words: str, tone: str = "ok") -> ResponseReturnValue:
    say(Message(words, tone))
    url = url_for("webhook_endpoints.details", endpoint_id=endpoint_id)
    if wants_fragment():
        return "", 200, {"HX-Redirect": url}
    return redirect(url, 303)
