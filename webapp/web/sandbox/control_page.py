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
from webapp.extensions import db, make_context, services
from webapp.processors.sandbox.books import LONGEST, NextAnswer, SandboxBooks
from webapp.processors.sandbox.records import AnswerKind
from webapp.reads.message import Message
from webapp.reads.notifications import outbox as mails
from webapp.web.http.responses import show
from webapp.web.notifications.email_frame import email_renderer_for, framed
from webapp.web.sandbox import bank_pages, card_form, refunds_and_disputes
from webapp.web.sandbox.control_page_view import (
    DECLINES,
    KINDS,
    in_words,
    own_agreements,
    read_screen,
)
from webapp.web.sandbox.visit import Visit, go_back, open_page, require_demo_or_staff

blueprint = Blueprint("sandbox", __name__, url_prefix="/sandbox")
blueprint.before_request(require_demo_or_staff)
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
    return page(open_page())


@blueprint.post("/usage")
def post_usage() -> ResponseReturnValue:
    visit = open_page()
    ctx, account = make_context(visit.person.actor), visit.account
    try:
        record = usage.parse(_usage_fields(account.amounts), account.currency, ctx.now)
    except Invalid as invalid:
        return page(visit, invalid.fields), 422
    receipt = usage_action.post_usage(ctx, account.id, [record])
    services().wake()
    [verdict] = receipt.verdicts
    if verdict in usage.REFUSED:
        return page(visit, usage.refusal(verdict, record, receipt.usage_max)), 422
    return go_back(_said(account, record, verdict, receipt.balance))


@blueprint.post("/clock")
def advance_clock() -> ResponseReturnValue:
    visit = open_page()
    hours = _number("hours")
    if hours is None or not 0 < hours <= LONGEST_ADVANCE:
        return page(visit, {"hours": f"Enter hours above zero, at most {LONGEST_ADVANCE}"}), 422
    try:
        offset = books().advance_clock(timedelta(hours=hours))
    except ValueError:
        return page(visit, {"hours": "The clock is as far ahead as it can go"}), 422
    services().wake()
    return go_back(Message(f"The clock is {in_words(offset)} ahead."))


@blueprint.post("/answers")
def queue_answer() -> ResponseReturnValue:
    visit = open_page()
    try:
        answer = _answer()
    except Invalid as invalid:
        return page(visit, invalid.fields), 422
    books().queue_answer(**asdict(answer))
    return go_back(Message("The answer is queued."))


@blueprint.post("/answers/removal")
def clear_answers() -> ResponseReturnValue:
    open_page()
    books().clear_answers()
    return go_back(Message("The queue is empty."))


@blueprint.post("/agreements/<reference>/cancellation")
def cancel_agreement(reference: str) -> ResponseReturnValue:
    """Cancel a PayPal agreement as its payer would; a webhook notifies the product (M13)."""
    visit = open_page()
    own = own_agreements(db.session(), visit.account.id, books())
    agreement = next((one for one in own if one.id == reference), None)
    if agreement is None:
        abort(404)
    books().reversals.take_away(reference, services().clock.now())
    refunds_and_disputes.deliver()
    payer = agreement.payer_email
    return go_back(Message(f"The agreement of {payer} is cancelled."))


@blueprint.get("/outbox")
def outbox() -> ResponseReturnValue:
    visit = open_page()
    found = mails.last(make_context(), visit.reader, email_renderer_for(visit.person), OUTBOX_SHOWN)
    return show(visit.person, "sandbox/outbox.html", "sandbox", mails=found, named=visit.named)


@blueprint.get("/outbox/<int:notice_id>")
def mail(notice_id: int) -> ResponseReturnValue:
    visit = open_page()
    found = _mail(visit, notice_id)
    return show(visit.person, "sandbox/mail.html", "sandbox", mail=found, named=visit.named)


@blueprint.get("/outbox/<int:notice_id>/body")
def mail_body(notice_id: int) -> ResponseReturnValue:
    """The email's HTML as sent, for the frame on its page."""
    return framed(_mail(open_page(), notice_id).letter.html)


def page(visit: Visit, errors: dict[str, str] | None = None) -> str:
    """The page; after a refusal with the submitted values and their errors."""
    letters, now = email_renderer_for(visit.person), services().clock.now()
    screen = read_screen(db.session(), visit.reader, books(), letters, now)
    return show(
        visit.person,
        "sandbox/index.html",
        "sandbox",
        screen=screen,
        named=visit.named,
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


def _mail(visit: Visit, notice_id: int) -> mails.MailRow:
    return mails.find(make_context(), visit.reader, email_renderer_for(visit.person), notice_id)
