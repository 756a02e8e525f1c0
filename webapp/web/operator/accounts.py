"""Accounts: found, looked at, and what an operator may change of them."""

from secrets import token_hex

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.adjust_balance import adjust_balance
from webapp.actions.allow_paypal import allow_paypal
from webapp.actions.pause_automatic import pause_automatic
from webapp.actions.resume_automatic import resume_automatic
from webapp.domain import emails, texts
from webapp.domain.errors import NotFound, Refusal
from webapp.extensions import db, parts
from webapp.reads.message import Message
from webapp.reads.operator.accounts import read_account, read_accounts
from webapp.web import forms
from webapp.web.access import Person, permit_operator, prove
from webapp.web.asked import line
from webapp.web.operator.fields import amount_in_form, errors_of
from webapp.web.responses import say, show
from webapp.web.screen import status_of

blueprint = Blueprint("accounts", __name__)

ACCOUNT = "/accounts/<int:account_id>"


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit_operator()
    after = request.args.get("after", type=forms.record_id)
    screen = read_accounts(db.session(), line("search", emails.LENGTH), after)
    return show(person, "operator/index.html", "operator_accounts", screen=screen)


@blueprint.get(ACCOUNT)
def one(account_id: int) -> ResponseReturnValue:
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
            pause_automatic(db.session(), account_id, reason, person.actor, now, it.policy)
        else:
            session = db.session()
            resume_automatic(session, account_id, person.actor, now, it.policy, reason=reason)
    except Refusal as refusal:
        return account_refused(person, account_id, "pause", refusal)
    it.wake()
    return done(account_id, f"Automatic payments {'are paused' if on else 'go on'}.")


def account_page(
    person: Person, account_id: int, form: str = "", refusal: Refusal | None = None
) -> str:
    """`form`: which of its forms was refused, for what was typed and its errors."""
    it = parts()
    screen = read_account(db.session(), account_id, it.clock.now(), it.policy)
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


def done(account_id: int, words: str) -> ResponseReturnValue:
    say(Message(words))
    return redirect(url_for("operator.accounts.one", account_id=account_id), 303)
