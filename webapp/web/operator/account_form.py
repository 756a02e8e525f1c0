"""Operator pages: create an account, and change what the provider sets about it (V4)."""

from collections.abc import Mapping
from dataclasses import replace
from secrets import token_hex
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.actions.accounts.change_account import change_account
from webapp.actions.accounts.create_account import create_account
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.choice import MOST_HOLDS, AccountChoice
from webapp.domain.shared import money, texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.shared.i18n import Language
from webapp.domain.shared.money import AmountFormat
from webapp.domain.users.owner import OwnerChoice
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.operator.account_form import details_text, read_account_form
from webapp.web.http import forms
from webapp.web.http.access import permit_operator
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import say, show
from webapp.web.operator.accounts import ACCOUNT
from webapp.web.payment_methods.responses import fields_of, status_of

blueprint = Blueprint("account_form", __name__)

BY_API = "A name contains “=”. Change the metadata by API instead"


@blueprint.get("/accounts/new")
def new() -> ResponseReturnValue:
    return form_page(permit_operator(), None)


@blueprint.post("/accounts")
def create() -> ResponseReturnValue:
    person = permit_operator()
    require_reauthentication(person)
    ctx, key = make_context(person.actor), forms.request_key()
    currency = request.form.get("currency", "") or ctx.policy.currency
    try:
        values, faults = values_in_form(AmountFormat(currency, "en_US"), {})
        choice, owner = AccountChoice(**values, currency=currency), owner_in_form()
        raise_faults(ctx, choice, owner, faults)
        made = create_account(ctx, choice, owner, scopes=(), request_key=key)
    except Refusal as refusal:
        return refused(person, None, refusal)
    services().wake()
    return done(made.account_id, f"The account is created, and {owner.address} is invited.")


@blueprint.get(f"{ACCOUNT}/change")
def change(account_id: int) -> ResponseReturnValue:
    return form_page(permit_operator(), account_id)


@blueprint.post(f"{ACCOUNT}/change")
def save(account_id: int) -> ResponseReturnValue:
    person = permit_operator()
    require_reauthentication(person)
    ctx = make_context(person.actor)
    account = db.session.get(Account, account_id)
    if account is None:
        raise NotFound("That account")
    owner = owner_in_form() if request.form.get("email", "").strip() else None
    values, faults = values_in_form(account.amounts, account.details)
    try:
        after = replace(AccountChoice.of(account), **values)
        raise_faults(ctx, after, owner, faults)
        change_account(
            ctx,
            account_id,
            values,
            owner=owner,
            reason=texts.reason(request.form.get("reason", "")),
            seen=request.form.get("seen", ""),
        )
    except Refusal as refusal:
        return refused(person, account_id, refusal)
    services().wake()
    return done(account_id, f"Saved. {owner.address} is invited." if owner else "Saved.")


def values_in_form(
    amounts: AmountFormat, details: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields of `AccountChoice`, and an error for each that cannot be parsed.

    `details`: the account's metadata as saved.
    """
    form, faults = request.form, dict[str, str]()
    values: dict[str, Any] = {
        "name": form.get("name", ""),
        "external_id": form.get("external_id", "").strip() or None,
        "time_zone": form.get("time_zone", ""),
        "own_metering": form.get("own_metering") == "1",
    }
    try:
        values["language"] = Language(form.get("language", ""))
    except ValueError:
        faults["language"] = "Choose a language from the list"
    try:
        values["credit_limit"] = amounts.read_exact(form.get("credit_limit", ""))
    except money.BadAmount as fault:
        faults["credit_limit"] = str(fault)
    holds = form.get("max_open_holds", "").strip()
    if not holds or forms.is_whole(holds):
        values["max_open_holds"] = int(holds) if holds else None
    else:
        faults["max_open_holds"] = f"Must be a whole number from 0 to {MOST_HOLDS:,}"
    try:
        values["details"] = read_details(form.get("metadata", ""), details)
    except ValueError as fault:
        faults["metadata"] = str(fault)
    return values, faults


def read_details(text: str, saved: Mapping[str, str]) -> dict[str, str]:
    """Parse lines such as "plan = wholesale". Raises `ValueError` with a sentence.

    Text as it was shown changes nothing, whatever characters an API has saved.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines == [line.strip() for line in details_text(saved).splitlines()]:
        return dict(saved)
    if any("=" in name for name in saved):
        raise ValueError(BY_API)
    found = dict[str, str]()
    for line in lines:
        name, mark, value = (part.strip() for part in line.partition("="))
        if not mark or not name:
            raise ValueError(f"Write each line as name = value: {line[:40]}")
        if name in found:
            raise ValueError(f"There are two lines for {name}")
        found[name] = value
    return found


def raise_faults(
    ctx: Context, choice: AccountChoice, owner: OwnerChoice | None, faults: dict[str, str]
) -> None:
    """Raise `Invalid` with the errors of all fields; `faults` are those that cannot be parsed."""
    faults = choice.faults(ctx.policy) | (owner.faults(choice.name) if owner else {}) | faults
    if "reason" in request.form:
        try:
            texts.reason(request.form["reason"])
        except Invalid as invalid:
            faults |= invalid.fields
    if faults:
        raise Invalid(faults)


def owner_in_form() -> OwnerChoice:
    return OwnerChoice(request.form.get("email", ""), request.form.get("owner_name", ""))


def form_page(person: Person, account_id: int | None, refusal: Refusal | None = None) -> str:
    """The form; refused, with what was typed and an error beside each field."""
    screen = read_account_form(make_context(), account_id)
    errors = fields_of(refusal) if refusal else {}
    if refusal is not None and refusal.code == "external_id_taken":
        errors = {"external_id": refusal.sentence}
    return show(
        person,
        "operator/account_form.html",
        "operator_accounts",
        screen=screen,
        request_key=token_hex(16),
        typed=request.form if refusal else screen.values,
        refused=refusal.sentence if refusal and not errors else "",
        errors=errors,
    )


def refused(person: Person, account_id: int | None, refusal: Refusal) -> ResponseReturnValue:
    db.session.rollback()
    return form_page(person, account_id, refusal), status_of(refusal)


def done(account_id: int, words: str) -> ResponseReturnValue:
    say(Message(words))
    return redirect(url_for("operator.accounts.one", account_id=account_id), 303)
