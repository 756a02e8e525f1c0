"""Operator pages: all emails with their delivery state, and resending."""

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.notifications.record_email_read import record_email_read
from webapp.actions.notifications.resend_email import resend_email
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.notifications.email_labels import Shown
from webapp.reads.operator.mail_filters import LONGEST_TEXT, Filters
from webapp.reads.operator.mails import read_mail, read_mails
from webapp.web.http import forms
from webapp.web.http.access import permit_operator
from webapp.web.http.person import Person
from webapp.web.http.query_args import choice, day, line
from webapp.web.http.responses import say, show
from webapp.web.notifications.email_frame import framed
from webapp.web.operator.fields import errors_of
from webapp.web.payment_methods.responses import status_of

blueprint = Blueprint("mails", __name__, url_prefix="/mails")

MAIL = "/<int:notice_id>"

READ = "mail"
"""Session key: the id of the email whose page was opened last."""


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit_operator()
    before = request.args.get("before", type=forms.record_id)
    screen = read_mails(make_context(), services().mailer, mail_filters(), before=before)
    return show(person, "operator/mails.html", "operator_mails", screen=screen)


@blueprint.get(MAIL)
def one(notice_id: int) -> ResponseReturnValue:
    person = permit_operator()
    note_read(person, notice_id)
    return mail_page(person, notice_id)


@blueprint.get(f"{MAIL}/body")
def body(notice_id: int) -> ResponseReturnValue:
    """The email for the frame on its page. Page and frame are one entry in the audit log."""
    person = permit_operator()
    if session.get(READ) != notice_id:
        note_read(person, notice_id)
    page = read_mail(make_context(), notice_id, services().mailer, services().letters)
    return framed(page.letter.html)


@blueprint.post(f"{MAIL}/tries")
def resend(notice_id: int) -> ResponseReturnValue:
    person = permit_operator()
    reason = request.form.get("reason", "")
    try:
        ctx = make_context(person.actor)
        resend_email(ctx, notice_id, reason, services().mailer)
    except NotFound:
        raise
    except Refusal as refusal:
        db.session.rollback()
        return mail_page(person, notice_id, refusal), status_of(refusal)
    services().wake()
    say(Message("The email is being sent again."))
    return redirect(url_for("operator.mails.one", notice_id=notice_id), 303)


def note_read(person: Person, notice_id: int) -> None:
    record_email_read(make_context(person.actor), notice_id)
    session[READ] = notice_id


def mail_page(person: Person, notice_id: int, refusal: Refusal | None = None) -> str:
    page = read_mail(make_context(), notice_id, services().mailer, services().letters)
    context: dict[str, object] = {"typed": request.form.get("reason", "")}
    if refusal and page.line.action:
        context["error"] = errors_of(refusal)["reason"]
    elif refusal:  # the page no longer has the form
        context["message"] = Message(refusal.sentence, "bad")
    return show(person, "operator/mail.html", "operator_mails", mail=page, **context)


def mail_filters() -> Filters:
    return Filters(
        first=day("from"),
        last=day("to"),
        state=choice("state", Shown),
        kind=choice("kind", NoticeKind),
        text=line("q", LONGEST_TEXT),
    )
