"""Notification settings: recipients, low-balance alerts, and previews of the emails."""

from collections.abc import Mapping

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from webapp.actions.notifications.apply_settings import apply_notification_settings
from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Subject
from webapp.domain.notifications.outbox import NOTICE_NAMES, TOPICS, NoticeKind
from webapp.domain.notifications.settings import FIELDS, NotificationSettings
from webapp.domain.shared import field_tables
from webapp.domain.shared.errors import Refusal, Stale
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.ports import Letter
from webapp.reads.message import Message
from webapp.reads.notifications.email_samples import read_sample
from webapp.reads.notifications.settings_page import (
    Typed,
    read_notifications,
    read_overtaken,
)
from webapp.web.http import forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to, show
from webapp.web.notifications import email_frame
from webapp.web.payment_methods.responses import (
    charged_by_press,
    fields_of,
    outcome_message,
    status_of,
)

blueprint = Blueprint("notifications", __name__, url_prefix="/settings/notifications")

APPLIED = Message("Changes applied")


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page(permit(Right.BILLING))


@blueprint.post("")
def apply() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    amounts = db.session.get_one(Account, person.account_id).amounts
    values, errors = field_tables.read_form(FIELDS, request.form, amounts)
    seen, ctx = request.form.get("seen", ""), make_context(person.actor)
    try:
        apply_notification_settings(
            ctx,
            person.account_id,
            NotificationSettings(**values),
            seen,
            unreadable=errors,
            confirmed=forms.confirmed(),
        )
    except ChargeUnconfirmed:
        raise
    except Stale as stale:
        why = read_overtaken(ctx, person.account_id)
        return page(person, as_typed({}, why)), status_of(stale)
    except Refusal as refusal:
        typed = as_typed(fields_of(refusal), refusal.sentence, seen)
        return page(person, typed), status_of(refusal)
    services().wake()
    outcome = charged_by_press(person.account_id, ctx.now) if forms.confirmed() else None
    return go_to("notifications.index", outcome_message(outcome) if outcome else APPLIED)


@blueprint.get("/mails/<kind>")
def sample(kind: str) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    letter = sample_of(person, kind)
    name = NOTICE_NAMES[NoticeKind(kind)]
    return show(
        person, "notifications/sample.html", "notifications", kind=kind, name=name, letter=letter
    )


@blueprint.get("/mails/<kind>/body")
def sample_body(kind: str) -> Response:
    return email_frame.framed(sample_of(permit(Right.BILLING), kind).html)


def page(person: Person, typed: Typed | None = None) -> str:
    db.session.rollback()
    screen = read_notifications(make_context(), person.account_id, typed)
    template, subject = "notifications/index.html", Subject.NOTIFICATIONS
    return show(person, template, "notifications", subject, screen=screen)


def sample_of(person: Person, kind: str) -> Letter:
    if kind not in TOPICS:
        abort(404)
    account = db.session.get_one(Account, person.account_id)
    return read_sample(make_context(), services().mailer, NoticeKind(kind), account)


def as_typed(errors: Mapping[str, str], refused: str, seal: str = "") -> Typed:
    return Typed(field_tables.as_typed(FIELDS, request.form, {}), errors, refused, seal)
