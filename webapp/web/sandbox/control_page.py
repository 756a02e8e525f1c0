"""The sandbox page: post usage, advance the clock, read emails, and script processor responses.

Registered only if a sandbox processor is configured.
"""

import re
from dataclasses import asdict
from datetime import timedelta
from secrets import token_hex

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from webapp.actions.usage import post_usage as usage_action
from webapp.domain.accounts.account import Account
from webapp.domain.shared import money
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import AmountFormat
from webapp.domain.usage import record as usage
from webapp.domain.usage.record import Usage, Verdict
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.processors.sandbox.books import LONGEST, NextAnswer, SandboxBooks
from webapp.processors.sandbox.records import AnswerKind
from webapp.reads.message import Message
from webapp.reads.notifications import outbox as mails
from webapp.reads.notifications.outbox import Reader
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, show
from webapp.web.notifications.email_frame import email_renderer_for, framed
from webapp.web.sandbox import bank_pages, card_form, refunds_and_disputes
from webapp.web.sandbox.control_page_view import (
    DECLINES,
    KINDS,
    in_words,
    own_agreements,
    read_screen,
)

blueprint = Blueprint("sandbox", __name__, url_prefix="/sandbox")
blueprint.add_url_rule("/cards", "capture", card_form.capture, methods=["POST"])
for path, view in (("challenges", bank_pages.challenge), ("paypal", bank_pages.agreement)):
    blueprint.add_url_rule(f"/{path}/<challenge_id>", path, view, methods=["GET", "POST"])

for path, change in (
    ("taken-back", refunds_and_disputes.take_back),
    ("taken-back/<reference>", refunds_and_disputes.close),
    ("methods", refunds_and_disputes.change_method),
):
    blueprint.add_url_rule(f"/{path}", change.__name__, change, methods=["POST"])

LONGEST_ADVANCE = 8784
"""In hours: a leap year."""

OUTBOX_SHOWN = 100

_DECIMAL = re.compile(r"\d{1,5}(\.\d{1,4})?", re.ASCII)


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page(permit(Right.BILLING))


@blueprint.post("/usage")
def post_usage() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    ctx = make_context(person.actor)
    account = db.session.get_one(Account, person.account_id)
    try:
        record = usage.parse(_usage_fields(account.amounts), account.currency, ctx.now)
    except Invalid as invalid:
        return page(person, invalid.fields), 422
    receipt = usage_action.post_usage(ctx, person.account_id, [record])
    services().wake()
    [verdict] = receipt.verdicts
    if verdict in usage.REFUSED:
        return page(person, usage.refusal(verdict, record, receipt.usage_max)), 422
    return go_to("sandbox.index", _said(account, record, verdict, receipt.balance))


@blueprint.post("/clock")
def advance_clock() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    hours = _number("hours")
    if hours is None or not 0 < hours <= LONGEST_ADVANCE:
        return page(person, {"hours": f"Enter hours above zero, at most {LONGEST_ADVANCE}"}), 422
    try:
        offset = books().advance_clock(timedelta(hours=hours))
    except ValueError:
        return page(person, {"hours": "The clock is as far ahead as it can go"}), 422
    services().wake()
    return go_to("sandbox.index", Message(f"The clock is {in_words(offset)} ahead."))


@blueprint.post("/answers")
def queue_answer() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    try:
        answer = _answer()
    except Invalid as invalid:
        return page(person, invalid.fields), 422
    books().queue_answer(**asdict(answer))
    return go_to("sandbox.index", Message("The answer is queued."))


@blueprint.post("/answers/removal")
def clear_answers() -> ResponseReturnValue:
    permit(Right.BILLING)
    books().clear_answers()
    return go_to("sandbox.index", Message("The queue is empty."))


@blueprint.post("/agreements/<reference>/cancellation")
def cancel_agreement(reference: str) -> ResponseReturnValue:
    """Cancel a PayPal agreement as its payer would; a webhook notifies the product (M13)."""
    person = permit(Right.BILLING)
    own = own_agreements(db.session(), person.account_id, books())
    agreement = next((one for one in own if one.id == reference), None)
    if agreement is None:
        abort(404)
    books().reversals.take_away(reference, services().clock.now())
    refunds_and_disputes.deliver()
    payer = agreement.payer_email
    return go_to("sandbox.index", Message(f"The agreement of {payer} is cancelled."))


@blueprint.get("/outbox")
def outbox() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    found = mails.last(make_context(), reader(person), email_renderer_for(person), OUTBOX_SHOWN)
    return show(person, "sandbox/outbox.html", "sandbox", mails=found)


@blueprint.get("/outbox/<int:notice_id>")
def mail(notice_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    return show(person, "sandbox/mail.html", "sandbox", mail=_mail(person, notice_id))


@blueprint.get("/outbox/<int:notice_id>/body")
def mail_body(notice_id: int) -> ResponseReturnValue:
    """The email's HTML as sent, for the frame on its page."""
    return framed(_mail(permit(Right.BILLING), notice_id).letter.html)


def page(person: Person, errors: dict[str, str] | None = None) -> str:
    """The page; after a refusal with the submitted values and their errors."""
    letters, now = email_renderer_for(person), services().clock.now()
    screen = read_screen(db.session(), reader(person), books(), letters, now)
    return show(
        person,
        "sandbox/index.html",
        "sandbox",
        screen=screen,
        errors=errors or {},
        fields=request.form if errors else {},
    )


def books() -> SandboxBooks:
    return services().sandbox or abort(404)


def _usage_fields(amounts: AmountFormat) -> dict[str, str]:
    """Raises `Invalid` if the amount is none."""
    form = request.form
    try:
        amount = amounts.decimal(form.get("amount", ""), money.USAGE_PLACES)
    except money.BadAmount as fault:
        raise Invalid({"amount": str(fault)}) from fault
    reference = form.get("reference", "").strip()
    return {
        "amount": amount,
        "reference": reference or f"sandbox-{form.get('key') or token_hex(8)}",
        "description": "Posted on the sandbox page",
    }


def _said(account: Account, record: Usage, verdict: Verdict, balance: int) -> Message:
    if verdict is Verdict.DUPLICATE:
        return Message(f"{record.reference} was posted before; nothing was debited again.")
    amount = f"{account.amounts.exact(record.amount)} {account.currency}"
    return Message(f"{amount} posted. The balance is {account.show(balance)}.")


def _answer() -> NextAnswer:
    """The response to queue. Raises `Invalid` with an error for each invalid field."""
    form, errors = request.form, dict[str, str]()
    kind, code, last4 = (form.get(name, "") for name in ("kind", "decline_code", "last4"))
    seconds = _number("seconds", "0")
    if kind not in KINDS:
        errors["kind"] = "Choose an answer"
    if kind == AnswerKind.DECLINE and code not in DECLINES:
        errors["decline_code"] = "Choose a reason"
    if seconds is None or seconds > LONGEST:
        errors["seconds"] = f"Enter seconds, at most {LONGEST:g}"
    if last4 and not re.fullmatch(r"\d{4}", last4, re.ASCII) and not is_address(last4):
        errors["last4"] = "Choose a method"
    if errors or seconds is None:
        raise Invalid(errors)
    return NextAnswer(AnswerKind(kind), code if kind == AnswerKind.DECLINE else "", seconds, last4)


def _number(name: str, default: str = "") -> float | None:
    text = request.form.get(name, "").strip() or default
    return float(text) if _DECIMAL.fullmatch(text) else None


def _mail(person: Person, notice_id: int) -> mails.MailRow:
    return mails.find(make_context(), reader(person), email_renderer_for(person), notice_id)


def reader(person: Person) -> Reader:
    account = db.session.get_one(Account, person.account_id)
    return Reader(account, person.id, person.rights)
