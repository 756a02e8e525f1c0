"""API keys: create, rotate and revoke the keys of an account or of the provider."""

from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.api_keys.create_key import NewKey, create_key
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.api_keys.rotate_key import rotate_key
from webapp.domain.api_keys.api_key import KeyChoice, Scope
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.extensions import db, make_context
from webapp.reads.api_keys import read_key, read_keys, read_scopes
from webapp.reads.message import Message
from webapp.web.http import rate_limits
from webapp.web.http.managers import Admit, Manager, admit_customer, admit_operator
from webapp.web.http.responses import go_to, show, show_dialog
from webapp.web.payment_methods.responses import fields_of, status_of

ONE = "/<int:key_id>"

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


class KeyPages:
    """The pages for one kind of owner. `pages` is the blueprint's name for links to its pages."""

    def __init__(
        self, name: str, url_prefix: str, pages: str, entry: str, title: str, admit: Admit
    ) -> None:
        """`entry`: the page's name in the menu."""
        self.pages, self.entry, self.title, self.admit = pages, entry, title, admit
        self.blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
        routes: tuple[tuple[str, str, Callable[..., ResponseReturnValue]], ...] = (
            ("GET", "", self.index),
            ("GET", "/new", self.new),
            ("POST", "", self.create),
            ("GET", f"{ONE}/rotation", self.rotation),
            ("POST", f"{ONE}/rotation", self.rotate),
            ("GET", f"{ONE}/revocation", self.revocation),
            ("POST", f"{ONE}/revocation", self.revoke),
        )
        for method, rule, view in routes:
            self.blueprint.add_url_rule(rule, view.__name__, view, methods=[method])

    def index(self) -> ResponseReturnValue:
        manager = self.admit()
        return show(
            manager.person,
            "api_keys/index.html",
            self.entry,
            Subject.API_KEYS if manager.account_id is not None else None,
            screen=read_keys(make_context(), manager.account_id, manager.rights),
            pages=self.pages,
            title=self.title,
            of_provider=manager.account_id is None,
        )

    def new(self) -> ResponseReturnValue:
        return self._form(self.admit())

    def create(self) -> ResponseReturnValue:
        manager = self.admit(confirmed=True, proved=True)
        ctx, choice = make_context(manager.person.actor), choice_in_form()
        try:
            rate_limits.new_key(manager.account_id)
            made = create_key(ctx, manager.account_id, choice, manager.rights)
        except Refusal as refusal:
            return self._form(manager, refusal), status_of(refusal)
        return self._shown_once(manager, made)

    def rotation(self, key_id: int) -> ResponseReturnValue:
        return self._key_dialog(self.admit(), "rotate", key_id)

    def rotate(self, key_id: int) -> ResponseReturnValue:
        manager = self.admit(confirmed=True, proved=True)
        _, overlap = OVERLAPS.get(request.form.get("overlap", ""), OVERLAPS["24"])
        ctx = make_context(manager.person.actor)
        try:
            rate_limits.new_key(manager.account_id)
            made = rotate_key(ctx, manager.account_id, key_id, overlap, manager.rights)
        except NotFound:
            raise
        except Refusal as refusal:
            db.session.rollback()
            refused = self._key_dialog(manager, "rotate", key_id, refusal.sentence)
            return refused, status_of(refusal)
        return self._shown_once(manager, made)

    def revocation(self, key_id: int) -> ResponseReturnValue:
        return self._key_dialog(self.admit(), "revoke", key_id)

    def revoke(self, key_id: int) -> ResponseReturnValue:
        manager = self.admit(confirmed=True, proved=True)
        key = revoke_key(make_context(manager.person.actor), manager.account_id, key_id)
        return go_to(f"{self.pages}.index", Message(f"{key.name} is revoked."))

    def _form(self, manager: Manager, refusal: Refusal | None = None) -> str:
        """The form with the submitted values and an error beside each invalid field."""
        db.session.rollback()
        errors = fields_of(refusal) if refusal else {}
        return self._dialog(
            manager,
            "new",
            scopes=read_scopes(make_context(), manager.account_id, manager.rights),
            lasts=[(key, words) for key, (words, _) in LIFETIMES.items()],
            typed=request.form,
            chosen=request.form.getlist("scopes") if refusal else DEFAULT_SCOPES,
            errors=errors,
            refusal=refusal.sentence if refusal and not errors else "",
        )

    def _key_dialog(self, manager: Manager, name: str, key_id: int, refusal: str = "") -> str:
        key = read_key(make_context(), manager.account_id, key_id, manager.rights)
        overlaps = [(hours, words) for hours, (words, _) in OVERLAPS.items()]
        return self._dialog(manager, name, key=key, overlaps=overlaps, refusal=refusal)

    def _shown_once(self, manager: Manager, made: NewKey) -> ResponseReturnValue:
        """Show the key without a redirect: it is not stored, so no later request can show it."""
        return self._dialog(manager, "shown", made=made), 201

    def _dialog(self, manager: Manager, part: str, **context: object) -> str:
        template = f"api_keys/_{part}_dialog.html"
        context["pages"] = self.pages
        return show_dialog(manager.person, template, self.entry, self.title, **context)


def choice_in_form() -> KeyChoice:
    form = request.form
    networks = form.get("networks", "").replace(",", " ").split()
    _, lifetime = LIFETIMES.get(form.get("lasts", ""), LIFETIMES[""])
    scopes = tuple(form.getlist("scopes"))
    return KeyChoice(form.get("name", ""), scopes, tuple(networks), lifetime)


blueprint = KeyPages(
    "api_keys", "/settings/api-keys", "api_keys", "api_keys", "API keys", admit_customer
).blueprint

provider_blueprint = KeyPages(
    "keys", "/keys", "operator.keys", "operator_keys", "Provider keys", admit_operator
).blueprint
