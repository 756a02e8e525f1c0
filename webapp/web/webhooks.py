"""Webhooks: endpoints and their deliveries, of an account and of the provider."""

from collections.abc import Callable

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.utils import redirect

from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.endpoints import NewSecret
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.users.user import Right
from webapp.domain.webhooks.endpoint import OF_BALANCE, EndpointChoice, offered_to
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.webhooks import WORDS, read_deliveries, read_endpoint, read_endpoints
from webapp.web.http import forms
from webapp.web.http.managers import Admit, Manager, admit_customer, admit_operator
from webapp.web.http.responses import go_to, say, show, show_dialog, wants_fragment
from webapp.web.payment_methods.responses import fields_of, status_of

ONE = "/<int:endpoint_id>"


class EndpointPages:
    """The pages for one kind of owner. `pages` is the blueprint's name for links to its pages."""

    def __init__(self, name: str, url_prefix: str, pages: str, entry: str, admit: Admit) -> None:
        """`entry`: the page's name in the menu."""
        self.pages, self.entry, self.admit = pages, entry, admit
        self.blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
        routes: tuple[tuple[str, str, Callable[..., ResponseReturnValue]], ...] = (
            ("GET", "", self.index),
            ("GET", "/new", self.new),
            ("POST", "", self.create),
            ("GET", ONE, self.details),
            ("GET", f"{ONE}/change", self.change_form),
            ("POST", f"{ONE}/change", self.change),
            ("POST", f"{ONE}/state", self.switch),
            ("GET", f"{ONE}/rotation", self.rotation),
            ("POST", f"{ONE}/rotation", self.rotate),
            ("GET", f"{ONE}/removal", self.removal),
            ("POST", f"{ONE}/removal", self.remove),
            ("POST", f"{ONE}/tests", self.test),
            ("POST", f"{ONE}/deliveries/<int:delivery_id>/resends", self.resend),
        )
        for method, rule, view in routes:
            self.blueprint.add_url_rule(rule, view.__name__, view, methods=[method])

    def index(self) -> ResponseReturnValue:
        manager = self.admit()
        rows = read_endpoints(make_context(), manager.account_id)
        return self._show(manager, "webhooks/index.html", rows=rows)

    def new(self) -> ResponseReturnValue:
        return self._form(self.admit(), "new")

    def create(self) -> ResponseReturnValue:
        manager = self.admit(confirmed=True, proved=True)
        ctx = make_context(manager.person.actor)
        try:
            made = actions.add_endpoint(ctx, manager.account_id, choice_in_form(), manager.rights)
        except Refusal as refusal:
            return self._form(manager, "new", refusal), status_of(refusal)
        return self._shown_once(manager, made)

    def details(self, endpoint_id: int) -> ResponseReturnValue:
        manager = self.admit()
        before = request.args.get("before", type=forms.record_id)
        screen = read_deliveries(
            make_context(), manager.account_id, endpoint_id, manager.rights, before=before
        )
        return self._show(manager, "webhooks/details.html", screen=screen)

    def change_form(self, endpoint_id: int) -> ResponseReturnValue:
        return self._form(self.admit(), "change", endpoint_id=endpoint_id)

    def change(self, endpoint_id: int) -> ResponseReturnValue:
        manager = self.admit(confirmed=True, proved=True)
        ctx, choice = make_context(manager.person.actor), choice_in_form()
        try:
            actions.change_endpoint(ctx, manager.account_id, endpoint_id, choice, manager.rights)
        except NotFound:
            raise
        except Refusal as refusal:
            refused = self._form(manager, "change", refusal, endpoint_id=endpoint_id)
            return refused, status_of(refusal)
        return self._back_to(endpoint_id, "Changes saved.")

    def switch(self, endpoint_id: int) -> ResponseReturnValue:
        manager = self.admit()
        on = forms.switch_state()
        ctx = make_context(manager.person.actor)
        actions.switch_endpoint(ctx, manager.account_id, endpoint_id, on, manager.rights)
        services().wake()
        return self._back_to(
            endpoint_id,
            "The webhook is on. Pending events are being sent." if on else "The webhook is off.",
        )

    def rotation(self, endpoint_id: int) -> ResponseReturnValue:
        return self._endpoint_dialog(self.admit(), "rotate", endpoint_id)

    def rotate(self, endpoint_id: int) -> ResponseReturnValue:
        manager = self.admit(confirmed=True, proved=True)
        ctx = make_context(manager.person.actor)
        made = actions.rotate_secret(ctx, manager.account_id, endpoint_id, manager.rights)
        return self._shown_once(manager, made)

    def removal(self, endpoint_id: int) -> ResponseReturnValue:
        return self._endpoint_dialog(self.admit(), "remove", endpoint_id)

    def remove(self, endpoint_id: int) -> ResponseReturnValue:
        manager = self.admit(proved=True)
        ctx = make_context(manager.person.actor)
        actions.remove_endpoint(ctx, manager.account_id, endpoint_id, manager.rights)
        return go_to(f"{self.pages}.index", Message("The webhook is removed."))

    def test(self, endpoint_id: int) -> ResponseReturnValue:
        return self._send(
            endpoint_id, actions.send_test, endpoint_id, "The test event is being sent."
        )

    def resend(self, endpoint_id: int, delivery_id: int) -> ResponseReturnValue:
        return self._send(
            endpoint_id, actions.send_again, delivery_id, "The event is being sent again."
        )

    def _send(
        self, endpoint_id: int, action: Callable[..., object], what_id: int, done: str
    ) -> ResponseReturnValue:
        manager = self.admit()
        try:
            action(make_context(), manager.account_id, what_id)
        except NotFound:
            raise
        except Refusal as refusal:
            return self._back_to(endpoint_id, refusal.sentence, tone="bad")
        services().wake()
        return self._back_to(endpoint_id, done)

    def _show(self, manager: Manager, template: str, **context: object) -> str:
        of_provider = manager.account_id is None
        subject = None if of_provider else Subject.WEBHOOKS
        context |= {"pages": self.pages, "of_provider": of_provider}
        return show(manager.person, template, self.entry, subject, **context)

    def _form(
        self,
        manager: Manager,
        name: str,
        refusal: Refusal | None = None,
        endpoint_id: int | None = None,
    ) -> str:
        """The form with the submitted or saved values, and an error beside each invalid field."""
        db.session.rollback()
        has_billing = Right.BILLING in manager.rights
        choices = offered_to(manager.account_id)
        offered = [kind for kind in choices if has_billing or kind in OF_BALANCE]
        url, title, chosen = "", "", [str(kind) for kind in offered]
        if endpoint_id is not None:
            saved = read_endpoint(make_context(), manager.account_id, endpoint_id)
            url, title, chosen = saved.url, saved.name, list(saved.events)
        if refusal is not None:
            typed = choice_in_form()
            url, title, chosen = typed.url, typed.name, list(typed.events)
        errors = fields_of(refusal) if refusal else {}
        return self._dialog(
            manager,
            "form",
            endpoint_id=endpoint_id,
            url=url,
            name=title,
            chosen=chosen,
            events=[(kind, WORDS[kind]) for kind in offered],
            errors=errors,
            refusal=refusal.sentence if refusal and not errors else "",
        )

    def _endpoint_dialog(self, manager: Manager, name: str, endpoint_id: int) -> str:
        endpoint = read_endpoint(make_context(), manager.account_id, endpoint_id)
        return self._dialog(manager, name, endpoint=endpoint)

    def _shown_once(self, manager: Manager, made: NewSecret) -> ResponseReturnValue:
        return self._dialog(manager, "shown", made=made), 201

    def _dialog(self, manager: Manager, part: str, **context: object) -> str:
        template = f"webhooks/_{part}_dialog.html"
        context["pages"] = self.pages
        return show_dialog(manager.person, template, self.entry, "Webhooks", **context)

    def _back_to(self, endpoint_id: int, words: str, tone: str = "ok") -> ResponseReturnValue:
        say(Message(words, tone))
        url = url_for(f"{self.pages}.details", endpoint_id=endpoint_id)
        if wants_fragment():
            return "", 200, {"HX-Redirect": url}
        return redirect(url, 303)


def choice_in_form() -> EndpointChoice:
    sent = request.form
    return EndpointChoice(sent.get("url", ""), sent.get("name", ""), tuple(sent.getlist("events")))


blueprint = EndpointPages(
    "webhook_endpoints", "/settings/webhooks", "webhook_endpoints", "webhooks", admit_customer
).blueprint

provider_blueprint = EndpointPages(
    "webhooks", "/webhooks", "operator.webhooks", "operator_webhooks", admit_operator
).blueprint
