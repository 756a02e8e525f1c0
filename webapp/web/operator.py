"""The operator's side: staff of the provider, with a second factor, and each deed with its reason.

An operator may also see an account as its customer does. Then the customers' own pages answer, to
look only: whatever else is asked of them is refused before it reaches its handler.
"""

from decimal import Decimal
from io import BytesIO
from secrets import token_hex

from flask import Blueprint, Flask, abort, redirect, request, send_file, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.actions.adjust_balance import adjust_balance
from webapp.actions.allow_paypal import allow_paypal
from webapp.actions.complete_wire import complete_wire
from webapp.actions.decide_attempt import decide_attempt
from webapp.actions.note_mail_read import note_mail_read
from webapp.actions.pause_automatic import pause_automatic
from webapp.actions.reject_wire import reject_wire
from webapp.actions.resend_notice import resend_notice
from webapp.actions.resume_automatic import resume_automatic
from webapp.actions.view_account import begin_view, note_view
from webapp.domain import money, texts
from webapp.domain import wires as wires_domain
from webapp.domain.errors import Invalid, NotFound, Refusal
from webapp.domain.notices import NoticeKind
from webapp.domain.wires import WireRequest
from webapp.extensions import db, parts
from webapp.reads import operator as reads
from webapp.reads.mail_filters import LONGEST_TEXT, Filters, Shown
from webapp.reads.mail_list import read_mail, read_mails
from webapp.reads.message import Message
from webapp.reads.wires import read_proof
from webapp.web import forms
from webapp.web.access import Person, look_into, permit_operator, prove
from webapp.web.asked import day, line, word
from webapp.web.mails import framed
from webapp.web.responses import say, show
from webapp.web.screen import fields_of, status_of

blueprint = Blueprint("operator", __name__, url_prefix="/operator")

READING = ("GET", "HEAD", "OPTIONS")

CHANGING = frozenset(
    (
        # They are led to, and yet conclude what the customer began.
        "payment_methods.card_captured",
        "payment_methods.new_card",
        "challenges.setup_returned",
        "challenges.payment_returned",
    )
)

OWN = frozenset(("operator", "session", "probes", None))
"""Blueprints that are the operator's while they look at an account, and probes: they answer
while the database, and with it the person, cannot be read. None: files."""

ACCOUNT = "/accounts/<int:account_id>"
WIRE = "/wires/<int:wire_id>"
MAIL = "/mails/<int:notice_id>"

READ = "mail"
"""In the session: the id of the mail whose page was opened last."""

PROOF_POLICY = "default-src 'none'; sandbox"


@blueprint.record_once
def guard_views(state: object) -> None:
    app: Flask = state.app  # type: ignore[attr-defined]  # Flask's BlueprintSetupState
    app.before_request(only_look)


def only_look() -> None:
    """Before every request of an operator who sees an account as its customer does."""
    if "_user_id" not in session or request.blueprint in OWN or request.endpoint == "static":
        return
    person = current_user
    if not person.is_authenticated or not person.only_looks:
        return
    if request.method not in READING or request.endpoint in CHANGING:
        abort(403, "You look only.")
    if request.endpoint != "balance.show":  # open pages ask for it every few seconds
        page = request.url_rule.rule if request.url_rule else "an address that there is not"
        note_view(db.session(), person.account_id, page, person.actor, parts().clock.now())


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit_operator()
    after = request.args.get("after", type=forms.record_id)
    screen = reads.read_accounts(db.session(), request.args.get("search", ""), after)
    return show(person, "operator/index.html", "operator_accounts", screen=screen)


@blueprint.get(ACCOUNT)
def account(account_id: int) -> ResponseReturnValue:
    return account_page(permit_operator(), account_id)


@blueprint.post(f"{ACCOUNT}/adjustments")
def adjust(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    prove(person)
    key, it = forms.request_key(), parts()
    try:
        amount, reason = amount_in_form(), texts.reason(request.form.get("reason", ""))
        signed = -amount if request.form.get("direction") == "off" else amount
        now, session = it.clock.now(), db.session()
        adjust_balance(
            session, account_id, signed, reason, person.actor, now, it.policy, request_key=key
        )
    except Refusal as refusal:
        return account_refused(person, account_id, "adjust", refusal)
    it.wake()
    return done(account_id, "The balance is adjusted.")


@blueprint.post(f"{ACCOUNT}/paypal")
def paypal(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    on, now = forms.wished(), parts().clock.now()
    try:
        reason = texts.reason(request.form.get("reason", ""))
        allow_paypal(db.session(), account_id, on, person.actor, now, reason=reason)
    except Refusal as refusal:
        return account_refused(person, account_id, "paypal", refusal)
    return done(account_id, f"PayPal is {'offered' if on else 'no longer offered'}.")


@blueprint.post(f"{ACCOUNT}/pause")
def pause(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    on, it = forms.wished(), parts()
    reason, now = request.form.get("reason", ""), it.clock.now()
    try:
        if on:
            pause_automatic(db.session(), account_id, reason, person.actor, now)
        else:
            session = db.session()
            resume_automatic(session, account_id, person.actor, now, it.policy, reason=reason)
    except Refusal as refusal:
        return account_refused(person, account_id, "pause", refusal)
    it.wake()
    return done(account_id, f"Automatic payments {'are paused' if on else 'go on'}.")


@blueprint.post(f"{ACCOUNT}/views")
def view(account_id: int) -> ResponseReturnValue:
    """See it as its customer does, to look only."""
    person = permit_operator()
    reason, now = request.form.get("reason", ""), parts().clock.now()
    try:
        begin_view(db.session(), account_id, reason, person.actor, now)
    except Refusal as refusal:
        return account_refused(person, account_id, "view", refusal)
    look_into(account_id)
    return redirect(url_for("payment_methods.index"), 303)


@blueprint.post("/views/end")
def end_view() -> ResponseReturnValue:
    person = permit_operator()
    look_into(None)
    if person.only_looks:
        return redirect(url_for("operator.account", account_id=person.account_id), 303)
    return redirect(url_for("operator.index"), 303)


@blueprint.get("/wires")
def wires() -> ResponseReturnValue:
    person = permit_operator()
    rows = reads.read_open_wires(db.session(), parts().clock.now())
    return show(person, "operator/wires.html", "operator_wires", rows=rows)


@blueprint.get(WIRE)
def wire(wire_id: int) -> ResponseReturnValue:
    return wire_page(permit_operator(), wire_id)


@blueprint.get(f"{WIRE}/proofs/<int:proof_id>")
def proof(wire_id: int, proof_id: int) -> ResponseReturnValue:
    """A download and never a page, whatever the file is."""
    permit_operator()
    asked = db.session.get(WireRequest, wire_id)
    if asked is None:
        raise NotFound("That wire transfer")
    stored = read_proof(db.session(), asked.account_id, wire_id, proof_id)
    answer = send_file(
        BytesIO(parts().proofs.read(asked.account_id, stored.file)),
        mimetype=stored.mime_type,
        as_attachment=True,
        download_name=stored.download_name,
    )
    answer.headers["Content-Security-Policy"] = PROOF_POLICY
    return answer


@blueprint.post(f"{WIRE}/completion")
def complete(wire_id: int) -> ResponseReturnValue:
    person = permit_operator()
    prove(person)
    it = parts()
    try:
        reason = texts.reason(request.form.get("reason", ""))
        credited = complete_wire(
            db.session(),
            wire_id,
            amount_in_form(),
            person.actor,
            it.clock.now(),
            it.policy,
            received=optional_amount("received"),
            rate=rate_in_form(),
            reason=reason,
        )
    except Refusal as refusal:
        return wire_refused(person, wire_id, "complete", refusal)
    it.wake()
    say(Message("The money is credited." if credited else "It was credited before, once."))
    return redirect(url_for("operator.wire", wire_id=wire_id), 303)


@blueprint.post(f"{WIRE}/rejection")
def reject(wire_id: int) -> ResponseReturnValue:
    person = permit_operator()
    it = parts()
    reason = request.form.get("reason", "")
    try:
        reject_wire(db.session(), wire_id, reason, person.actor, it.clock.now())
    except Refusal as refusal:
        return wire_refused(person, wire_id, "reject", refusal)
    it.wake()
    say(Message("The transfer is rejected; the customer is told why."))
    return redirect(url_for("operator.wire", wire_id=wire_id), 303)


@blueprint.get("/attempts")
def attempts() -> ResponseReturnValue:
    return attempts_page(permit_operator())


@blueprint.post("/attempts/<int:attempt_id>/decision")
def decide(attempt_id: int) -> ResponseReturnValue:
    person = permit_operator()
    prove(person)
    paid, it = forms.wished("paid"), parts()
    try:
        reason = texts.reason(request.form.get("reason", ""))
        now = it.clock.now()
        decide_attempt(db.session(), attempt_id, paid, reason, person.actor, now, it.policy)
    except NotFound:
        raise
    except Refusal as refusal:
        db.session.rollback()
        error = fields_of(refusal).get("reason", refusal.sentence)
        return attempts_page(person, attempt_id, error), status_of(refusal)
    it.wake()
    say(Message(f"Settled as {'paid' if paid else 'not charged'}."))
    return redirect(url_for("operator.attempts"), 303)


@blueprint.get("/mails")
def mails() -> ResponseReturnValue:
    person = permit_operator()
    it, before = parts(), request.args.get("before", type=forms.record_id)
    screen = read_mails(db.session(), it.clock.now(), it.mailer, mail_filters(), before=before)
    return show(person, "operator/mails.html", "operator_mails", screen=screen)


def mail_filters() -> Filters:
    return Filters(
        first=day("from"),
        last=day("to"),
        state=word("state", Shown),
        kind=word("kind", NoticeKind),
        text=line("q", LONGEST_TEXT),
    )


@blueprint.get(MAIL)
def mail(notice_id: int) -> ResponseReturnValue:
    person = permit_operator()
    note_read(person, notice_id)
    return mail_page(person, notice_id)


@blueprint.get(f"{MAIL}/body")
def mail_body(notice_id: int) -> ResponseReturnValue:
    """For the frame on its page: both together are one look."""
    person, it = permit_operator(), parts()
    if session.get(READ) != notice_id:
        note_read(person, notice_id)
    page = read_mail(db.session(), notice_id, it.clock.now(), it.mailer, it.letters)
    return framed(page.letter.html)


@blueprint.post(f"{MAIL}/tries")
def resend(notice_id: int) -> ResponseReturnValue:
    person = permit_operator()
    it = parts()
    reason = request.form.get("reason", "")
    try:
        now = it.clock.now()
        resend_notice(db.session(), notice_id, reason, person.actor, now, it.mailer)
    except NotFound:
        raise
    except Refusal as refusal:
        db.session.rollback()
        return mail_page(person, notice_id, refusal), status_of(refusal)
    it.wake()
    say(Message("The mail is tried again."))
    return redirect(url_for("operator.mail", notice_id=notice_id), 303)


def note_read(person: Person, notice_id: int) -> None:
    note_mail_read(db.session(), notice_id, person.actor, parts().clock.now())
    session[READ] = notice_id


def account_page(
    person: Person, account_id: int, form: str = "", refusal: Refusal | None = None
) -> str:
    """`form`: which of its forms was refused, for what was typed and its errors."""
    it = parts()
    screen = reads.read_account(db.session(), account_id, it.clock.now(), it.policy)
    return show(
        person,
        "operator/account.html",
        "operator_accounts",
        screen=screen,
        form=form,
        typed=request.form if form else {},
        errors=errors_of(refusal),
        request_key=token_hex(16),
    )


def account_refused(
    person: Person, account_id: int, form: str, refusal: Refusal
) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    return account_page(person, account_id, form, refusal), status_of(refusal)


def wire_page(person: Person, wire_id: int, form: str = "", refusal: Refusal | None = None) -> str:
    return show(
        person,
        "operator/wire.html",
        "operator_wires",
        wire=reads.read_wire(db.session(), wire_id, parts().clock.now()),
        form=form,
        typed=request.form if form else {},
        errors=errors_of(refusal),
    )


def wire_refused(person: Person, wire_id: int, form: str, refusal: Refusal) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    return wire_page(person, wire_id, form, refusal), status_of(refusal)


def attempts_page(person: Person, refused_id: int = 0, error: str = "") -> str:
    rows = reads.read_undecided(db.session(), parts().clock.now())
    said = {"refused_id": refused_id, "error": error, "typed": request.form.get("reason", "")}
    return show(person, "operator/attempts.html", "operator_attempts", rows=rows, **said)


def mail_page(person: Person, notice_id: int, refusal: Refusal | None = None) -> str:
    it = parts()
    page = read_mail(db.session(), notice_id, it.clock.now(), it.mailer, it.letters)
    said: dict[str, object] = {"typed": request.form.get("reason", "")}
    if refusal and page.line.deed:
        said["error"] = errors_of(refusal)["reason"]
    elif refusal:  # the form that was sent is not on the page any more
        said["message"] = Message(refusal.sentence, "bad")
    return show(person, "operator/mail.html", "operator_mails", mail=page, **said)


def errors_of(refusal: Refusal | None) -> dict[str, str]:
    return (fields_of(refusal) or {"reason": refusal.sentence}) if refusal else {}


def done(account_id: int, words: str) -> ResponseReturnValue:
    say(Message(words))
    return redirect(url_for("operator.account", account_id=account_id), 303)


def amount_in_form() -> int:
    amount = optional_amount("amount")
    if amount is None:
        raise Invalid({"amount": "Enter an amount"})
    return amount


def optional_amount(name: str) -> int | None:
    errors: dict[str, str] = {}
    amount = forms.amount(request.form, name, errors)
    if errors:
        raise Invalid(errors)
    return amount


def rate_in_form() -> Decimal | None:
    typed = request.form.get("rate", "")
    if not typed.strip():
        return None
    try:
        return wires_domain.parse_rate(typed)
    except money.BadAmount as fault:
        raise Invalid({"rate": str(fault)}) from fault
