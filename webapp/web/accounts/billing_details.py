"""Billing details: the name, address and tax number on receipts (L6)."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.accounts.set_billing_details import set_billing_details
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import FIELDS, BillingDetails
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import Refusal
from webapp.domain.shared.field_tables import as_typed, read_form
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.reads.message import Message
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, show
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("billing_details", __name__)


@blueprint.get("/billing/details")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    account = db.session.get_one(Account, person.account_id)
    return page(person, vars(BillingDetails.of(account)), {})


@blueprint.post("/billing/details")
def save() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    account = db.session.get_one(Account, person.account_id)
    values, _ = read_form(FIELDS, request.form, account.amounts)
    try:
        set_billing_details(make_context(person.actor), person.account_id, BillingDetails(**values))
    except Refusal as refusal:
        typed = as_typed(FIELDS, request.form, {})
        return page(person, typed, fields_of(refusal)), status_of(refusal)
    return go_to("payments.index", Message("Saved. New receipts will use these details."))


def page(person: Person, details: dict[str, str], errors: dict[str, str]) -> str:
    template = "accounts/billing_details.html"
    account = db.session.get_one(Account, person.account_id)
    context = {"details": details, "errors": errors, "account_name": account.name}
    return show(person, template, "payments", Subject.BILLING_DETAILS, **context)
