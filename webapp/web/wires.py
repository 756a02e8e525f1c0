"""Wire transfers: the list, requests with bank details, proofs and cancellation (L5)."""

from dataclasses import replace
from io import BytesIO
from secrets import token_hex

from flask import Blueprint, redirect, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.actions.wires.add_proof import add_proof
from webapp.actions.wires.cancel_wire import cancel_wire
from webapp.actions.wires.request_wire import request_wire
from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.shared.field_tables import read_amount
from webapp.domain.users.user import Right
from webapp.domain.wires import proofs
from webapp.extensions import db, make_context, services
from webapp.reads.accounts.subjects import SubjectId
from webapp.reads.message import Message
from webapp.reads.payment_methods.main_screen import PageHead, read_head
from webapp.reads.wires import (
    WireCard,
    WiresScreen,
    read_proof,
    read_wire,
    read_wires,
)
from webapp.web.http import errors, forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import say, show, show_dialog, wants_fragment
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("wires", __name__, url_prefix="/billing/wire-transfers")

# The largest proof, its form's overhead and a margin, so that a file slightly over the limit gets
# an error beside its field.
LARGEST_UPLOAD = proofs.LARGEST + 6 * 1024 * 1024

TOO_LARGE = "At most 10 MB"

WIRE = "/<int:wire_id>"

# Nothing in an uploaded file may run or load anything.
PROOF_POLICY = "default-src 'none'; sandbox"


def head(person: Person) -> PageHead:
    has_paypal = bool(services().paypal_processor)
    return read_head(make_context(), person.account_id, has_paypal=has_paypal)


@blueprint.url_value_preprocessor
def allow_large_upload(endpoint: str | None, values: dict | None) -> None:
    """Raise the upload limit before the CSRF check reads the form, for people who may upload."""
    if endpoint == "wires.upload" and may_upload():
        request.max_content_length = LARGEST_UPLOAD


@blueprint.errorhandler(413)
def too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """Raised before the handler runs, so the handler's permission check is repeated here."""
    if request.endpoint != "wires.upload" or not may_upload():
        return errors.explain(error)
    wire_id = (request.view_args or {})["wire_id"]
    try:
        return refuse_proof(permit(Right.BILLING), wire_id, Invalid({"proof": TOO_LARGE}))
    except Refusal as refusal:
        return errors.refuse(refusal)


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    screen = read(person, before=request.args.get("before", type=forms.record_id))
    context = {"screen": screen, "head": head(person)}
    return show(person, "wires/index.html", "payment_methods", Subject.WIRES, **context)


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    screen = read(person)
    return show(person, "wires/new.html", "payment_methods", screen=screen, head=head(person))


@blueprint.post("")
def create() -> ResponseReturnValue:
    person = permit(Right.BILLING, confirmed=True)
    key = forms.request_key()
    try:
        wire = request_wire(
            make_context(person.actor),
            person.account_id,
            amount_in_form(person),
            request.form.get("currency", ""),
            key,
            services().bank,
        )
    except Refusal as refusal:
        return refuse_request(person, key, refusal)
    services().wake()
    return to_details(wire.id, f"{wire.reference} is ready. Use it as the payment reference.")


@blueprint.get(WIRE)
def details(wire_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    subject, wire = SubjectId(Subject.WIRE, wire_id), card(person, wire_id)
    return show(person, "wires/details.html", "payment_methods", subject, card=wire)


@blueprint.get(f"{WIRE}/proofs/new")
def new_proof(wire_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    return dialog(person, wire_id, "proof")


@blueprint.post(f"{WIRE}/proofs")
def upload(wire_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    file = request.files.get("proof")
    try:
        if file is None or not (file.filename or file.stream.read(1)):
            raise Invalid({"proof": "Choose a file"})
        file.stream.seek(0)
        add_proof(
            make_context(person.actor),
            person.account_id,
            wire_id,
            file.filename or "",
            file.stream.read(proofs.LARGEST + 1),
            services().proofs,
        )
    except Refusal as refusal:
        return refuse_proof(person, wire_id, refusal)
    services().wake()
    return to_details(wire_id, "Thanks. We’ll match your transfer when it arrives.")


@blueprint.get(f"{WIRE}/proofs/<int:proof_id>")
def proof(wire_id: int, proof_id: int) -> ResponseReturnValue:
    """Send the file as a download, so that browsers never render it."""
    person = permit(Right.BILLING)
    stored = read_proof(make_context(), person.account_id, wire_id, proof_id)
    answer = send_file(
        BytesIO(services().proofs.read(person.account_id, stored.file)),
        mimetype=stored.mime_type,
        as_attachment=True,
        download_name=stored.download_name,
    )
    answer.headers["Content-Security-Policy"] = PROOF_POLICY
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get(f"{WIRE}/cancellation")
def cancellation(wire_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    return dialog(person, wire_id, "cancel")


@blueprint.post(f"{WIRE}/cancellation")
def cancel(wire_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    try:
        wire = cancel_wire(make_context(person.actor), person.account_id, wire_id)
    except Refusal as refusal:
        return refused(person, wire_id, "cancel", refusal, error=refusal.sentence)
    services().wake()
    return to_details(wire.id, f"{wire.reference} is cancelled.")


def may_upload() -> bool:
    return bool(current_user.is_authenticated and Right.BILLING in current_user.rights)


def read(
    person: Person,
    key: str = "",
    *,
    before: int | None = None,
    amount: str | None = None,
    currency: str = "",
    errors: dict[str, str] | None = None,
) -> WiresScreen:
    return read_wires(
        make_context(),
        person.account_id,
        services().bank,
        key or token_hex(16),
        before=before,
        amount=amount,
        currency=currency,
        errors=errors,
    )


def card(person: Person, wire_id: int) -> WireCard:
    return read_wire(make_context(), person.account_id, wire_id, services().bank)


def amount_in_form(person: Person) -> int:
    """The amount, in the account's number format and the wire's currency."""
    errors: dict[str, str] = {}
    amounts = db.session.get_one(Account, person.account_id).amounts
    of_wire = replace(amounts, currency=request.form.get("currency", ""))
    amount = read_amount(request.form, "amount", errors, of_wire)
    if amount is None:
        raise Invalid(errors or {"amount": "Enter an amount"})
    return amount


def refuse_request(person: Person, key: str, refusal: Refusal) -> ResponseReturnValue:
    """The page with the submitted values and an error beside each invalid field."""
    db.session.rollback()
    screen = read(
        person,
        key,
        amount=request.form.get("amount", ""),
        currency=request.form.get("currency", ""),
        errors=fields_of(refusal) or {"form": refusal.sentence},
    )
    page = show(person, "wires/index.html", "payment_methods", screen=screen, head=head(person))
    return page, status_of(refusal)


def refuse_proof(person: Person, wire_id: int, refusal: Refusal) -> ResponseReturnValue:
    error = fields_of(refusal).get("proof", refusal.sentence)
    return refused(person, wire_id, "proof", refusal, error=error)


def refused(
    person: Person, wire_id: int, name: str, refusal: Refusal, **context: str
) -> ResponseReturnValue:
    """The dialog with the reason. Raises `NotFound` refusals."""
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    return dialog(person, wire_id, name, **context), status_of(refusal)


def dialog(person: Person, wire_id: int, name: str, **context: str) -> str:
    title = {"cancel": "Cancel request", "proof": "Upload proof of payment"}[name]
    part, found = f"wires/_{name}_dialog.html", card(person, wire_id)
    return show_dialog(person, part, "payment_methods", title, card=found, **context)


def to_details(wire_id: int, words: str) -> ResponseReturnValue:
    """Redirect after a POST. A request by a dialog redirects the whole page."""
    say(Message(words))
    url = url_for("wires.details", wire_id=wire_id)
    if wants_fragment():
        return "", 200, {"HX-Redirect": url}
    return redirect(url, 303)
