"""The outbox: every mail, what has become of it, and once more what never went out."""

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.notifications.record_email_read import note_mail_read
from webapp.actions.notifications.resend_email import resend_notice
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.extensions import db, parts
from webapp.reads.message import Message
from webapp.reads.notifications.email_labels import Shown
from webapp.reads.operator.mail_filters import LONGEST_TEXT, Filters
from webapp.reads.operator.mails import read_mail, read_mails
from webapp.web.http import forms
from webapp.web.http.access import Person, permit_operator
from webapp.web.http.query_args import day, line, word
from webapp.web.http.responses import say, show
from webapp.web.notifications.email_frame import framed
from webapp.web.operator.fields import errors_of
from webapp.web.payment_methods.responses import status_of

blueprint = Blueprint("mails", __name__, url_prefix="/mails")

MAIL = "/<int:notice_id>"

READ = "mail"
"""In the session: the id of the mail whose page was opened last."""


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit_operator()
    it, before = parts(), request.args.get("before", type=forms.record_id)
    screen = read_mails(db.session(), it.clock.now(), it.mailer, mail_filters(), before=before)
    return show(person, "operator/mails.html", "operator_mails", screen=screen)


@blueprint.get(MAIL)
def one(notice_id: int) -> ResponseReturnValue:
    person = permit_operator()
    note_read(person, notice_id)
    return mail_page(person, notice_id)


@blueprint.get(f"{MAIL}/body")
def body(notice_id: int) -> ResponseReturnValue:
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
    return redirect(url_for("operator.mails.one", notice_id=notice_id), 303)


def note_read(person: Person, notice_id: int) -> None:
    note_mail_read(db.session(), notice_id, person.actor, parts().clock.now())
    session[READ] = notice_id


def mail_page(person: Person, notice_id: int, refusal: Refusal | None = None) -> str:
    it = parts()
    page = read_mail(db.session(), notice_id, it.clock.now(), it.mailer, it.letters)
    said: dict[str, object] = {"typed": request.form.get("reason", "")}
    if refusal and page.line.deed:
        said["error"] = errors_of(refusal)["reason"]
    elif refusal:  # the form that was sent is not on the page any more
        said["message"] = Message(refusal.sentence, "bad")
    return show(person, "operator/mail.html", "operator_mails", mail=page, **said)


def mail_filters() -> Filters:
    return Filters(
        first=day("from"),
        last=day("to"),
        state=word("state", Shown),
        kind=word("kind", NoticeKind),
        text=line("q", LONGEST_TEXT),
    )
