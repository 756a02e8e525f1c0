"""Operator pages: search, view and change accounts."""

from collections.abc import Mapping
from dataclasses import replace
from secrets import token_hex

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.actions.accounts import change_state as state
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.top_ups.pause_automatic import pause_automatic
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.shared import email_address, texts
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.shared.field_tables import read_amount
from webapp.domain.shared.money import AmountFormat
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.extensions import db, make_context, services
from webapp.reads.accounts.search import AccountFilter
from webapp.reads.operator.accounts import read_account, read_accounts
from webapp.reads.operator.adjustment import Adjustment, read_adjustment
from webapp.reads.payments.outcome import Outcome
from webapp.reads.system.installation import read_installation
from webapp.web.http import forms
from webapp.web.http.access import permit_operator
from webapp.web.http.person import Person
from webapp.web.http.query_args import choice, line
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import say, show
from webapp.web.operator.fields import amount_in_form, errors_of, message_with
from webapp.web.payment_methods.responses import charged_by_press, status_of

blueprint = Blueprint("accounts", __name__)

ACCOUNT = "/accounts/<int:account_id>"

CONFIRM_REFILL = "Nothing is posted yet. Choose below whether to start the refill."


@blueprint.get("")
def index() -> ResponseReturnValue:
    person = permit_operator()
    after = request.args.get("after", type=forms.record_id)
    only = AccountFilter(line("search", email_address.LENGTH), choice("state", AccountState))
    screen = read_accounts(make_context(), only, after)
    findings = read_installation(make_context(), services().settings, services().sightings)
    return show(
        person, "operator/index.html", "operator_accounts", screen=screen, findings=findings
    )


@blueprint.get(ACCOUNT)
def one(account_id: int) -> ResponseReturnValue:
    return account_page(permit_operator(), account_id)


@blueprint.post(f"{ACCOUNT}/adjustments")
def adjust(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    require_reauthentication(person)
    key = forms.request_key()
    ctx, session = make_context(person.actor), db.session()
    amounts = (session.get(Account, account_id) or abort(404)).amounts
    try:
        if faults := adjustment_faults(amounts, request.form):
            raise Invalid(faults)
        amount, reason = amount_in_form(amounts), texts.reason(request.form["reason"])
        adjust_balance(
            ctx,
            account_id,
            -amount if is_debit(request.form) else amount,
            reason,
            request_key=key,
            confirmed=forms.confirmed(),
            hold=holds_refill(request.form),
        )
    except Refusal as refusal:
        return account_refused(person, account_id, "adjust", refusal)
    services().wake()
    account = session.get_one(Account, account_id)
    posted = f"{'Debited' if is_debit(request.form) else 'Credited'} {account.show(amount)}."
    outcome = charged_by_press(account_id, ctx.now) if forms.confirmed() else None
    if outcome is None:
        posted += f" The balance is {account.show(account.balance)}."
    return done(account_id, posted, outcome)


@blueprint.get(f"{ACCOUNT}/adjustments/preview")
def adjustment(account_id: int) -> ResponseReturnValue:
    """Preview of the adjustment form (T18). Nothing is saved."""
    person = permit_operator()
    account = db.session().get(Account, account_id) or abort(404)
    faults = adjustment_faults(account.amounts, request.args)
    preview = replace(adjustment_typed(account, request.args), faults=faults)
    return show(person, "operator/_adjustment.html", "operator_accounts", adjustment=preview)


def adjustment_faults(amounts: AmountFormat, form: Mapping[str, str]) -> dict[str, str]:
    faults: dict[str, str] = {}
    amount = read_amount(MultiDict(form), "amount", faults, amounts)
    if amount is None and not faults:
        faults["amount"] = "Enter an amount"
    try:
        texts.reason(form.get("reason", ""))
    except Invalid as invalid:
        faults |= invalid.fields
    return faults


def adjustment_typed(account: Account, typed: Mapping[str, str]) -> Adjustment:
    debit = is_debit(typed)
    amount = read_amount(MultiDict(typed), "amount", {}, account.amounts)
    signed = None if amount is None else -amount if debit else amount
    ctx, hold = make_context(), holds_refill(typed)
    return read_adjustment(ctx, account, signed, is_debit=debit, hold=hold)


def is_debit(form: Mapping[str, str]) -> bool:
    return form.get("direction") == "off"


def holds_refill(form: Mapping[str, str]) -> bool:
    return form.get("refill") == "hold"


@blueprint.post(f"{ACCOUNT}/paypal")
def paypal(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    on, ctx = forms.switch_state(), make_context(person.actor)
    try:
        reason = texts.reason(request.form.get("reason", ""))
        allow_paypal(ctx, account_id, on, reason=reason)
    except Refusal as refusal:
        return account_refused(person, account_id, "paypal", refusal)
    return done(account_id, f"PayPal is {'offered' if on else 'no longer offered'}.")


@blueprint.post(f"{ACCOUNT}/pause")
def pause(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    on = forms.switch_state()
    reason, ctx = request.form.get("reason", ""), make_context(person.actor)
    try:
        if on:
            pause_automatic(ctx, account_id, reason)
        else:
            confirmed = forms.confirmed()
            resume_automatic(ctx, account_id, reason=reason, confirmed=confirmed)
    except ChargeUnconfirmed:
        raise
    except Refusal as refusal:
        return account_refused(person, account_id, "pause", refusal)
    services().wake()
    outcome = charged_by_press(account_id, ctx.now) if not on and forms.confirmed() else None
    words = f"Automatic refills {'are paused' if on else 'are on again'}."
    return done(account_id, words, outcome)


@blueprint.post(f"{ACCOUNT}/state")
def change_state(account_id: int) -> ResponseReturnValue:
    """Suspend, resume, close or reopen the account (V4)."""
    person = permit_operator()
    require_reauthentication(person)
    form, ctx = request.form, make_context(person.actor)
    try:
        change = StateChange(
            AccountState(form.get("state", "")),
            form.get("reason", ""),
            ClosingBalance(form["closing_balance"]) if form.get("closing_balance") else None,
            reopens=True,
            confirmed=forms.confirmed(),
        )
    except ValueError:
        abort(400)
    try:
        state.change_state(ctx, account_id, change)
    except ChargeUnconfirmed:
        raise
    except Refusal as refusal:
        return account_refused(person, account_id, "state", refusal)
    services().wake()
    outcome = charged_by_press(account_id, ctx.now) if forms.confirmed() else None
    return done(account_id, f"The account is {change.state}.", outcome)


def account_page(
    person: Person, account_id: int, form: str = "", refusal: Refusal | None = None
) -> str:
    """The account's page. `form` is the refused form, shown with its values and errors."""
    screen = read_account(make_context(), account_id)
    account = db.session().get_one(Account, account_id)
    typed = request.form if form == "adjust" else {}
    return show(
        person,
        "operator/account.html",
        "operator_accounts",
        screen=screen,
        form=form,
        typed=request.form if form else {},
        errors={"form": CONFIRM_REFILL}
        if isinstance(refusal, ChargeUnconfirmed)
        else errors_of(refusal),
        request_key=token_hex(16),
        adjustment=adjustment_typed(account, typed),
    )


def account_refused(
    person: Person, account_id: int, form: str, refusal: Refusal
) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refusal, NotFound):
        raise refusal
    status = 409 if isinstance(refusal, ChargeUnconfirmed) else status_of(refusal)
    return account_page(person, account_id, form, refusal), status


def done(account_id: int, words: str, outcome: Outcome | None = None) -> ResponseReturnValue:
    say(message_with(words, outcome))
    return redirect(url_for("operator.accounts.one", account_id=account_id), 303)
