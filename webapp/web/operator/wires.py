"""Operator pages: open wire transfers, and completing or rejecting them."""

from dataclasses import replace
from decimal import Decimal
from io import BytesIO

from flask import Blueprint, redirect, request, send_file, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.wires.complete_wire import complete_wire
from webapp.actions.wires.reject_wire import reject_wire
from webapp.domain.accounts.account import Account
from webapp.domain.shared import money, texts
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.shared.money import AmountFormat
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import WireRequest
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.operator.wires import read_open_wires, read_wire
from webapp.reads.wires import read_proof
from webapp.web.http.access import permit_operator
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import say, show
from webapp.web.operator.fields import amount_in_form, errors_of, optional_amount
from webapp.web.payment_methods.responses import status_of

blueprint = Blueprint("wires", __name__, url_prefix="/wires")

WIRE = "/<int:wire_id>"

PROOF_POLICY = "default-src 'none'; sandbox"


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit_operator()
    rows = read_open_wires(make_context())
    return show(person, "operator/wires.html", "operator_wires", rows=rows)


@blueprint.get(WIRE)
def one(wire_id: int) -> ResponseReturnValue:
    return wire_page(permit_operator(), wire_id)


@blueprint.get(f"{WIRE}/proofs/<int:proof_id>")
def proof(wire_id: int, proof_id: int) -> ResponseReturnValue:
    """Send the file as a download, so that browsers never render it."""
    permit_operator()
    asked = db.session.get(WireRequest, wire_id)
    if asked is None:
        raise NotFound("That wire transfer")
    stored = read_proof(make_context(), asked.account_id, wire_id, proof_id)
    answer = send_file(
        BytesIO(services().proofs.read(asked.account_id, stored.file)),
        mimetype=stored.mime_type,
        as_attachment=True,
        download_name=stored.download_name,
    )
    answer.headers["Content-Security-Policy"] = PROOF_POLICY
    return answer


@blueprint.post(f"{WIRE}/completion")
def complete(wire_id: int) -> ResponseReturnValue:
    person = permit_operator()
    require_reauthentication(person)
    try:
        reason = texts.reason(request.form.get("reason", ""))
        account, wire = formats_of(wire_id)
        credited = complete_wire(
            make_context(person.actor),
            wire_id,
            amount_in_form(account),
            received=optional_amount("received", wire),
            rate=rate_in_form(account),
            reason=reason,
        )
    except Refusal as refusal:
        return wire_refused(person, wire_id, "complete", refusal)
    services().wake()
    say(Message("The transfer is credited." if credited else "The transfer was already credited."))
    return redirect(url_for("operator.wires.one", wire_id=wire_id), 303)


@blueprint.post(f"{WIRE}/rejection")
def reject(wire_id: int) -> ResponseReturnValue:
    person = permit_operator()
    reason = request.form.get("reason", "")
    try:
        reject_wire(make_context(person.actor), wire_id, reason)
    except Refusal as refusal:
        return wire_refused(person, wire_id, "reject", refusal)
    services().wake()
    say(Message("The transfer is rejected and the customer is notified."))
    return redirect(url_for("operator.wires.one", wire_id=wire_id), 303)


def wire_page(person: Person, wire_id: int, form: str = "", refusal: Refusal | None = None) -> str:
    return show(
        person,
        "operator/wire.html",
        "operator_wires",
        wire=read_wire(make_context(), wire_id),
        form=form,
        typed=request.form if form else {},
        errors=errors_of(refusal),
    )


def wire_refused(person: Person, wire_id: int, form: str, refusal: Refusal) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    return wire_page(person, wire_id, form, refusal), status_of(refusal)


def formats_of(wire_id: int) -> tuple[AmountFormat, AmountFormat]:
    """Formats of amounts in the account's currency and in the wire's. Raises `NotFound`."""
    wire = db.session.get(WireRequest, wire_id)
    if wire is None:
        raise NotFound("That wire transfer")
    amounts = db.session.get_one(Account, wire.account_id).amounts
    return amounts, replace(amounts, currency=wire.currency)


def rate_in_form(amounts: AmountFormat) -> Decimal | None:
    typed = request.form.get("rate", "")
    if not typed.strip():
        return None
    try:
        return wires.parse_rate(typed.replace(amounts.decimal_mark, "."))
    except money.BadAmount as fault:
        raise Invalid({"rate": str(fault)}) from fault
