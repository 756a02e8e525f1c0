"""Add Funds: an instant payment with one method, or auto-charge along the chain."""

from secrets import token_hex

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.payments.pay import pay_now
from webapp.actions.payments.pay_by_auto_charge import pay_by_auto_charge
from webapp.actions.payments.payment_requests import KEY_USED
from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import Payment, PaymentKind
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.shared.field_tables import read_amount
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.reads.payments.funds_dialog import read_funds
from webapp.web.http import forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.query_args import line
from webapp.web.payment_methods.responses import fields_of, show_payment_dialog, status_of
from webapp.web.payments.payment_list import challenge_return_url, outcome_or_challenge

blueprint = Blueprint("funds", __name__)


@blueprint.get("/billing/funds/new")
def new() -> ResponseReturnValue:
    person = permit(Right.BILLING, confirmed=True)
    kind = PaymentKind.AUTO_CHARGE if request.args.get("kind") == "auto_charge" else "instant"
    method_id = request.args.get("method", type=forms.record_id)
    return dialog(person, token_hex(16), kind, method_id, line("amount", 20) or None)


@blueprint.post("/billing/funds")
def create() -> ResponseReturnValue:
    person = permit(Right.BILLING, confirmed=True)
    key = forms.request_key()
    try:
        payment = pay(person, key)
    except NotFound:
        raise
    except Refusal as refusal:
        return back(person, key, refusal)
    return outcome_or_challenge(person, payment)


def pay(person: Person, key: str) -> Payment:
    """Raises `Refusal` with an error beside each bad field."""
    errors: dict[str, str] = {}
    amounts = db.session.get_one(Account, person.account_id).amounts
    amount = read_amount(request.form, "amount", errors, amounts)
    by_chain = request.form.get("kind") == PaymentKind.AUTO_CHARGE
    method_id = request.form.get("method", type=forms.record_id)
    if amount is None:
        errors.setdefault("amount", "Enter an amount")
    if method_id is None and not by_chain:
        errors["method"] = "Choose a payment method"
    if errors or amount is None:
        raise Invalid(errors)
    if by_chain or method_id is None:
        return pay_by_auto_charge(
            make_context(person.actor), person.account_id, amount, key, seen_open=forms.seen_open()
        )
    return pay_now(
        make_context(person.actor),
        person.account_id,
        method_id,
        amount,
        key,
        return_to=challenge_return_url(key),
        seen_open=forms.seen_open(),
    )


def back(person: Person, key: str, refusal: Refusal) -> ResponseReturnValue:
    """The form with the submitted values and an error beside each invalid field."""
    db.session.rollback()
    form = request.form
    kind = "auto_charge" if form.get("kind") == "auto_charge" else "instant"
    errors = fields_of(refusal) or {"form": refusal.sentence}
    amount = form.get("amount", "")
    if refusal.code == KEY_USED:
        key = token_hex(16)  # the next submission is a new payment
    page = dialog(person, key, kind, form.get("method", type=forms.record_id), amount, errors)
    return page, status_of(refusal)


def dialog(
    person: Person,
    key: str,
    kind: str,
    method_id: int | None,
    amount: str | None,
    errors: dict[str, str] | None = None,
) -> str:
    read = read_funds(
        make_context(),
        person.account_id,
        key,
        kind=kind,
        method_id=method_id,
        amount=amount,
        errors=errors,
    )
    return show_payment_dialog(person, "payments/_add_funds_dialog.html", "Add Funds", dialog=read)
