"""Low Balance Settings: Apply Changes."""

from dataclasses import replace

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.actions.apply_settings import apply_settings
from webapp.domain.accounts import Account
from webapp.domain.charge_now import ChargeUnconfirmed
from webapp.domain.default_limit import with_default_limit
from webapp.domain.errors import Refusal, Stale
from webapp.domain.low_balance import Choice, LowBalanceSettings
from webapp.domain.users import Right
from webapp.extensions import db, parts
from webapp.reads.low_balance_settings import as_typed
from webapp.reads.message import Message
from webapp.reads.payment_methods import PaymentMethodsScreen
from webapp.reads.settings_preview import read_preview
from webapp.web import forms
from webapp.web.access import Person, permit, prove
from webapp.web.responses import go_to, show, wants_fragment
from webapp.web.screen import charged_by_press, fields_of, read, render, said, status_of

blueprint = Blueprint("low_balance", __name__)

APPLIED = Message("Changes applied")


@blueprint.post("/billing/low-balance-settings")
def apply() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    choice, errors = forms.choice(request.form)
    if not errors and takes_more(person, choice):
        prove(person)
    seen = forms.whole_number("seen")
    it = parts()
    now = it.clock.now()
    try:
        apply_settings(
            db.session(),
            person.account_id,
            choice,
            seen,
            person.actor,
            now,
            it.policy,
            unreadable=errors,
            confirmed=forms.confirmed(),
        )
    except ChargeUnconfirmed:
        raise
    except Refusal as refusal:
        return refused(person, refusal)
    it.wake()
    outcome = charged_by_press(person.account_id, now) if forms.confirmed() else None
    message = said(outcome) if outcome else APPLIED
    if not wants_fragment():
        return go_to("payment_methods.index", message)
    screen = read(person, messages=outcome.rows if outcome else None)
    settings = replace(screen.settings, applied=True, happened=outcome)
    return page(person, replace(screen, settings=settings), message, charged=outcome is not None)


def takes_more(person: Person, choice: Choice) -> bool:
    """More money may be taken than before, and nothing else is wrong with it."""
    account, session = db.session.get_one(Account, person.account_id), db.session()
    choice = with_default_limit(session, account, choice, parts().clock.now())
    standing = LowBalanceSettings.of(session, account.id).chosen()
    return choice.raises(standing) and not choice.faults(parts().policy, account.show)


@blueprint.get("/billing/low-balance-settings/preview")
def preview() -> ResponseReturnValue:
    """What is being typed, told before it is applied. Nothing is saved."""
    person = permit(Right.BILLING)
    choice, errors = forms.choice(request.args)
    it = parts()
    seen = read_preview(
        db.session(),
        person.account_id,
        choice,
        it.clock.now(),
        it.policy,
        unreadable=errors,
    )
    return show(person, "payment_methods/_preview.html", "payment_methods", preview=seen)


def refused(person: Person, refusal: Refusal) -> ResponseReturnValue:
    """What was typed stays, beside its errors; a stale form shows what stands now instead."""
    screen = read(person)
    if isinstance(refusal, Stale):
        settings = replace(screen.settings, refused=refusal.sentence)
    else:
        settings = as_typed(
            screen.settings, request.form, errors=fields_of(refusal), refused=refusal.sentence
        )
    message = Message(refusal.sentence, "bad")
    return page(person, replace(screen, settings=settings), message), status_of(refusal)


def page(
    person: Person, screen: PaymentMethodsScreen, message: Message, *, charged: bool = False
) -> str:
    """`charged`: the message tells of a payment, which the panel's own words do not replace."""
    template = "after_apply" if wants_fragment() else "index"
    return render(person, template, screen, message=message, charged=charged)
