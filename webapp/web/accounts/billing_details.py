"""Billing details: the name, address and tax number on receipts (L6)."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.accounts.set_billing_details import set_billing_details
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.reads.message import Message
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, show
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("billing_details", __name__)

FIELDS = ("name", "address", "tax_number")


@blueprint.get("/billing/details")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    account = db.session.get_one(Account, person.account_id)
    details = account.billing_details() | {"name": account.billing_name}
    return page(person, details, {})


@blueprint.post("/billing/details")
def save() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    typed = {name: request.form.get(name, "") for name in FIELDS}
    ctx = make_context(person.actor)
    try:
        set_billing_details(ctx, person.account_id, **typed)
    except Refusal as refusal:
        return page(person, typed, fields_of(refusal)), status_of(refusal)
    return go_to("payments.index", Message("Saved. New receipts will use these details."))


def page(person: Person, details: dict[str, str], errors: dict[str, str]) -> str:
    template = "accounts/billing_details.html"
    account = db.session.get_one(Account, person.account_id)
    context = {"details": details, "errors": errors, "account_name": account.name}
    return show(person, template, "payments", **context)
