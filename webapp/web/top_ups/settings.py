"""Low Balance Settings: apply and preview."""

from dataclasses import replace

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal, Stale
from webapp.domain.shared.money import AmountFormat
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.domain.top_ups.default_limit import with_default_limit
from webapp.domain.top_ups.settings import Choice, LowBalanceSettings, read_choice
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.payment_methods.main_screen import MainScreen
from webapp.reads.top_ups.settings_conflict import read_conflict
from webapp.reads.top_ups.settings_panel import SettingsPanel, as_typed
from webapp.reads.top_ups.settings_preview import read_preview
from webapp.web.http import forms
from webapp.web.http.access import permit
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import go_to, show, wants_fragment
from webapp.web.payment_methods.responses import (
    charged_by_press,
    fields_of,
    outcome_message,
    read,
    render,
    status_of,
)

blueprint = Blueprint("low_balance", __name__)

APPLIED = Message("Changes applied")


@blueprint.post("/billing/low-balance-settings")
def apply() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    if "use" in request.form:
        return use(person)
    choice, errors = read_choice(request.form, amounts_of(person))
    if not errors and allows_larger_charges(person, choice):
        require_reauthentication(person)
    seen = forms.whole_number("seen")
    ctx = make_context(person.actor)
    try:
        apply_settings(
            ctx, person.account_id, choice, seen, unreadable=errors, confirmed=forms.confirmed()
        )
    except ChargeUnconfirmed:
        raise
    except Refusal as refusal:
        return refused(person, refusal)
    services().wake()
    outcome = charged_by_press(person.account_id, ctx.now) if forms.confirmed() else None
    message = outcome_message(outcome) if outcome else APPLIED
    if not wants_fragment():
        return go_to("payment_methods.index", message)
    screen = read(person, messages=outcome.rows if outcome else None)
    screen.settings = replace(screen.settings, applied=True, happened=outcome)
    return page(person, screen, message, charged=outcome is not None)


def amounts_of(person: Person) -> AmountFormat:
    return db.session.get_one(Account, person.account_id).amounts


def allows_larger_charges(person: Person, choice: Choice) -> bool:
    """Whether the settings are valid and allow larger automatic charges than before."""
    account, session = db.session.get_one(Account, person.account_id), db.session()
    ctx = make_context()
    choice = with_default_limit(ctx, account, choice)
    current = LowBalanceSettings.of(session, account.id).chosen()
    bounds = ctx.policy.bounds(account.currency)
    return choice.raises(current) and not choice.faults(bounds, account.show)


@blueprint.get("/billing/low-balance-settings/preview")
def preview() -> ResponseReturnValue:
    """Preview of unsaved settings. Nothing is saved."""
    person = permit(Right.BILLING)
    choice, errors = read_choice(request.args, amounts_of(person))
    seen = read_preview(make_context(), person.account_id, choice, unreadable=errors)
    return show(person, "top_ups/_settings_preview.html", "payment_methods", preview=seen)


def use(person: Person) -> ResponseReturnValue:
    """Replace one edited field with the saved value. Nothing is saved."""
    screen = read(person)
    screen.settings = with_submitted(person, screen.settings, use=request.form["use"])
    return page(person, screen)


def refused(person: Person, refusal: Refusal) -> ResponseReturnValue:
    """The form with the submitted values, their errors, and values that others have saved."""
    screen = read(person)
    settings = replace(with_submitted(person, screen.settings), errors=fields_of(refusal))
    sentence = refusal.sentence
    if isinstance(refusal, Stale) and settings.conflict:
        sentence = f"{settings.conflict.who} Your changes were not applied."
    else:
        settings = replace(settings, refused=sentence)
    screen.settings = settings
    return page(person, screen, Message(sentence, "bad")), status_of(refusal)


def with_submitted(person: Person, settings: SettingsPanel, *, use: str = "") -> SettingsPanel:
    """The panel with the submitted values."""
    since = forms.whole_number("since" if "since" in request.form else "seen")
    if since == settings.version:
        return as_typed(settings, request.form)
    ctx, form = make_context(person.actor), request.form.to_dict()
    return read_conflict(ctx, person.account_id, settings, form, since, use=use)


def page(
    person: Person,
    screen: MainScreen,
    message: Message | None = None,
    *,
    charged: bool = False,
) -> str:
    """`charged`: the message is about a payment, so it is shown beside the panel's own one."""
    template = "after/apply" if wants_fragment() else "index"
    return render(person, template, screen, message=message, charged=charged)
