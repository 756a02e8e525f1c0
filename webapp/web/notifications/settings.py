"""Notification settings: recipients, low-balance alerts, and previews of the emails."""

from dataclasses import replace

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.actions.notifications.apply_settings import apply_notification_settings
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import TOPICS, NoticeKind
from webapp.domain.notifications.settings import MOST_STEPS, NotificationSettings
from webapp.domain.notifications.topics import MOST_ADDRESSES, Recipient, Topic
from webapp.domain.shared.errors import Refusal, Stale
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.domain.users.user import Right
from webapp.extensions import db, services
from webapp.ports import Letter
from webapp.reads.message import Message
from webapp.reads.notifications.email_samples import read_sample
from webapp.reads.notifications.settings_page import (
    KIND_NAMES,
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
    errors = dict[str, str]()
    wished = read_form(request.form, errors)
    seen, now = request.form.get("seen", ""), services().clock.now()
    common_args = (seen, person.actor, now, services().policy)
    try:
        apply_notification_settings(
            db.session(),
            person.account_id,
            wished,
            *common_args,
            unreadable=errors,
            confirmed=forms.confirmed(),
        )
    except ChargeUnconfirmed:
        raise
    except Stale as stale:
        why = read_overtaken(db.session(), person.account_id, person.id, now)
        return page(person, as_typed(request.form, {}, why)), status_of(stale)
    except Refusal as refusal:
        typed = as_typed(request.form, fields_of(refusal), refusal.sentence)
        return page(person, replace(typed, seal=seen)), status_of(refusal)
    services().wake()
    outcome = charged_by_press(person.account_id, now) if forms.confirmed() else None
    return go_to("notifications.index", outcome_message(outcome) if outcome else APPLIED)


@blueprint.get("/mails/<kind>")
def sample(kind: str) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    letter = sample_of(person, kind)
    name = KIND_NAMES[NoticeKind(kind)]
    return show(
        person, "notifications/sample.html", "notifications", kind=kind, name=name, letter=letter
    )


@blueprint.get("/mails/<kind>/body")
def sample_body(kind: str) -> Response:
    return email_frame.framed(sample_of(permit(Right.BILLING), kind).html)


def page(person: Person, typed: Typed | None = None) -> str:
    db.session.rollback()
    screen = read_notifications(db.session(), person.account_id, typed)
    return show(person, "notifications/index.html", "notifications", screen=screen)


def sample_of(person: Person, kind: str) -> Letter:
    if kind not in TOPICS:
        abort(404)
    account = db.session.get_one(Account, person.account_id)
    return read_sample(services().mailer, NoticeKind(kind), account, services().clock.now())


def read_form(form: MultiDict[str, str], errors: dict[str, str]) -> NotificationSettings:
    """The submitted settings. An empty address or amount removes its row."""
    typed = as_typed(form, {}, "")
    steps = [forms.amount(form, f"step-{number}", errors) for number in range(MOST_STEPS)]
    return NotificationSettings(
        recipients=tuple(
            Recipient(address, frozenset(Topic(topic) for topic in topics))
            for address, topics in typed.recipients
        ),
        steps=tuple(sorted((step for step in steps if step is not None), reverse=True)),
        time_zone=typed.time_zone,
        locale=typed.locale,
        language=typed.language,
    )


def as_typed(form: MultiDict[str, str], errors: dict[str, str], refused: str) -> Typed:
    rows = []
    for number in range(MOST_ADDRESSES + 1):
        address = form.get(f"address-{number}", "").strip().lower()
        if address:
            chosen = frozenset(form.getlist(f"topics-{number}")) & frozenset(Topic)
            rows.append((address, frozenset(str(topic) for topic in chosen)))
    return Typed(
        recipients=tuple(rows),
        steps=tuple(form.get(f"step-{number}", "") for number in range(MOST_STEPS)),
        time_zone=form.get("time_zone", ""),
        locale=form.get("locale", ""),
        language=form.get("language", ""),
        errors=errors,
        refused=refused,
    )
