"""Payments: the list, single payments, receipts and Retry."""

from itertools import chain
from secrets import token_hex

from flask import Blueprint, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.payments.challenges import challenge_address
from webapp.actions.payments.pay import retry as retry_payment
from webapp.domain.events.event import Subject
from webapp.domain.payments.payment import KIND_NAMES, Payment
from webapp.domain.shared import signed_links
from webapp.domain.shared.errors import Refusal
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.reads.accounts.subjects import SubjectId
from webapp.reads.payments.outcome import read_outcome
from webapp.reads.payments.payment_list import COLUMNS, payment_lines, read_payments
from webapp.reads.payments.payment_page import read_payment
from webapp.reads.payments.receipt import read_receipt
from webapp.reads.payments.retry_dialog import read_authentication, read_retry
from webapp.web.http import downloads, forms, rate_limits
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import show, wants_fragment
from webapp.web.notifications.email_frame import email_renderer_for
from webapp.web.payment_methods.responses import (
    ask_in_frame,
    ask_on_page,
    changed,
    is_external,
    outcome_message,
    refused,
    show_payment_dialog,
)
from webapp.web.payments import payment_query

blueprint = Blueprint("payments", __name__)


@blueprint.get("/billing/payments")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    before = request.args.get("before", type=forms.record_id)
    ctx = make_context(person.actor)
    chosen = payment_query.filters()
    screen = read_payments(ctx, person.account_id, chosen, before=before)
    return show(person, "payments/index.html", "payments", screen=screen, kinds=KIND_NAMES.items())


@blueprint.get("/billing/payments.csv", endpoint="csv")
def as_csv() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    lines = payment_lines(make_context(), person.account_id, payment_query.filters())
    return downloads.csv_download("payments.csv", chain([COLUMNS], lines))


@blueprint.get("/billing/payments/<int:payment_id>", endpoint="payment")
def one(payment_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    letters, ctx = email_renderer_for(person), make_context()
    payment = read_payment(ctx, person.account_id, payment_id, letters)
    subject = SubjectId(Subject.PAYMENT, payment_id)
    return show(person, "payments/payment.html", "payments", subject, payment=payment)


@blueprint.get("/billing/payments/<int:payment_id>/receipt.pdf")
def receipt(payment_id: int) -> ResponseReturnValue:
    from webapp.documents.receipt import receipt_pdf  # imported late: fonts use memory

    person = permit(Right.BILLING)
    provider = services().policy.provider
    paper = read_receipt(make_context(), person.account_id, payment_id, provider)
    return downloads.pdf_download(f"receipt-{paper.number}.pdf", receipt_pdf(paper))


@blueprint.get("/billing/attempts/<int:attempt_id>/retry")
def retry_dialog(attempt_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    ctx = make_context(person.actor)
    dialog = read_retry(ctx, person.account_id, attempt_id, token_hex(16))
    return show_payment_dialog(person, "payments/_retry_dialog.html", "Retry", dialog=dialog)


@blueprint.post("/billing/attempts/<int:attempt_id>/retries")
def retry(attempt_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    key = forms.request_key()
    try:
        payment = _retry(person, attempt_id, key)
    except Refusal as refusal:
        return refused(person, "payment", refusal)
    return outcome_or_challenge(person, payment)


@blueprint.get("/billing/authentications/<token>")
def authentication(token: str) -> ResponseReturnValue:
    """The link in an email (F7). It shows the current balance and asks again (F10)."""
    person = permit(Right.BILLING)
    ctx = make_context(person.actor)
    dialog = read_authentication(ctx, person.account_id, attempt_id_in(token), token_hex(16))
    context = {"dialog": dialog, "token": token}
    return show(person, "payments/authentication.html", "payment_methods", **context)


@blueprint.post("/billing/authentications/<token>")
def authenticate(token: str) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    key, attempt_id = forms.request_key(), attempt_id_in(token)
    try:
        payment = _retry(person, attempt_id, key, by_link=True)
    except Refusal as refusal:
        return refused(person, "payment", refusal)
    return outcome_or_challenge(person, payment)


def _retry(person: Person, attempt_id: int, key: str, *, by_link: bool = False) -> Payment:
    if not is_repeated(person, key):  # a double click counts once
        rate_limits.retry(person)
    return_to = challenge_return_url(key)
    return retry_payment(
        make_context(person.actor),
        person.account_id,
        attempt_id,
        key,
        return_to=return_to,
        by_link=by_link,
    )


def is_repeated(person: Person, key: str) -> bool:
    return Payment.by_request_key(db.session(), person.account_id, key) is not None


def challenge_return_url(key: str) -> str:
    """The return URL of a challenge: for its frame, or for the whole page."""
    if wants_fragment():
        return url_for("challenges.over", key=key)
    return url_for("challenges.payment_returned", key=key)


def outcome_or_challenge(person: Person, payment: Payment) -> ResponseReturnValue:
    """The outcome of the payment, or the bank's challenge if there is one."""
    services().wake()
    payment_id = payment.id
    attempt_id = payment.attempts[-1].id if payment.attempts else 0
    if address := challenge_address(make_context(), payment):
        conclusion = url_for("challenges.conclude_payment", attempt_id=attempt_id)
        front = services().processors[payment.attempts[-1].processor].front
        if front.question:
            if not wants_fragment():
                return redirect(url_for("challenges.question", attempt_id=attempt_id), 303)
            return ask_on_page(person, front, address, conclusion)
        if not wants_fragment():
            return redirect(address, 303)
        if is_external(address):
            return "", {"HX-Redirect": address}
        return ask_in_frame(person, address, conclusion)
    outcome = read_outcome(make_context(), payment_id)
    return changed(person, "payment", outcome_message(outcome), messages=outcome.rows)


def attempt_id_in(token: str) -> int:
    """The id of the attempt in an email's link. Aborts with 404 for an invalid token."""
    attempt_id = signed_links.read(str(current_app.secret_key), signed_links.RESUME, token)
    return int(attempt_id) if attempt_id is not None else abort(404)
