"""The main screen, and changes to the list of payment methods."""

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.actions.payment_methods.add_method import Asked, add_card, link_paypal
from webapp.actions.payment_methods.open_card_form import open_card_form
from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge as set_consent
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.errors import Refusal
from webapp.domain.users.user import Right
from webapp.extensions import make_context, services
from webapp.ports import Front
from webapp.reads.message import Message
from webapp.reads.payment_methods.method_rows import RowMessage
from webapp.reads.payment_methods.removal_dialog import read_removal
from webapp.reads.payment_methods.saving_offer import read_paypal, read_saving_offer
from webapp.web.http import forms, rate_limits
from webapp.web.http.access import permit
from webapp.web.http.form_signer import check_state, sign_state
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication
from webapp.web.http.responses import wants_fragment
from webapp.web.payment_methods.challenges import saved
from webapp.web.payment_methods.responses import (
    ask_in_frame,
    ask_on_page,
    pressed,
    read,
    refused,
    render,
    show_payment_dialog,
)

blueprint = Blueprint("payment_methods", __name__)


@blueprint.get("/billing/payment-methods")
def index() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    return render(person, "index", read(person))


@blueprint.get("/payments/payment-methods")
def moved() -> ResponseReturnValue:
    return redirect(url_for("payment_methods.index"), 301)


@blueprint.get("/billing/payment-methods/refresh")
def refresh() -> ResponseReturnValue:
    """The parts of the page to refresh after the account has changed."""
    person = permit(Right.BILLING)
    return render(person, "after/refresh", read(person))


@blueprint.post("/billing/payment-methods/order")
def reorder() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    order, seen = forms.ids("order"), forms.ids("seen")
    ctx = make_context(person.actor)
    try:
        methods = reorder_methods(ctx, person.account_id, order, seen, confirmed=forms.confirmed())
    except Refusal as refusal:
        return refused(person, "reorder", refusal)
    moved = _moved(order, seen)
    return pressed(person, "reorder", _order_saved(methods, seen, moved), ctx.now, fresh=moved)


@blueprint.post("/billing/payment-methods/<int:method_id>/auto-charge")
def set_auto_charge(method_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    on = forms.switch_state()
    ctx = make_context(person.actor)
    name = set_consent(ctx, person.account_id, method_id, on, confirmed=forms.confirmed())
    text = f"Auto-charge for {name} is {'on' if on else 'off'}."
    return pressed(person, "auto_charge", Message(text), ctx.now)


@blueprint.get("/billing/payment-methods/cards/new")
def new_card() -> ResponseReturnValue:
    person = permit(Right.BILLING, confirmed=True)
    processor = services().processors[services().card_processor]
    try:
        form = open_card_form(make_context(), person.account_id, processor)
    except Refusal as refusal:
        return refused(person, "add", refusal)
    offer = read_saving_offer(make_context(), person.account_id)
    context = {
        **processor.front.variables,
        **form,
        "return_to": url_for("payment_methods.card_captured"),
        "state": sign_state(person, offer.confirmed),
        "offer": offer,
    }
    return show_payment_dialog(person, processor.front.form, "Add a credit card", **context)


@blueprint.get("/billing/payment-methods/cards/captured")
def card_captured() -> ResponseReturnValue:
    """Redirect target of the card form. `state` proves that this person opened the form."""
    return _add(request.args, services().processors[services().card_processor].front.token)


@blueprint.post("/billing/payment-methods")
def create() -> ResponseReturnValue:
    return _add(request.form)


@blueprint.get("/billing/payment-methods/paypal/new")
def new_paypal() -> ResponseReturnValue:
    person = permit(Right.BILLING, confirmed=True)
    offered = bool(services().paypal_processor)
    dialog = read_paypal(make_context(), person.account_id, offered=offered)
    part = "payment_methods/_paypal_dialog.html"
    return show_payment_dialog(person, part, "Link PayPal", dialog=dialog)


@blueprint.post("/billing/payment-methods/paypal")
def link() -> ResponseReturnValue:
    """Redirect the whole page to PayPal, which returns to `setup_returned`."""
    person = permit(Right.BILLING, confirmed=True, proved=True)
    processor = services().processors.get(services().paypal_processor) or abort(404)
    return_to = url_for("challenges.setup_returned")
    try:
        asked = link_paypal(
            make_context(person.actor),
            person.account_id,
            processor,
            return_to=return_to,
            consent=forms.consent(request.form),
            confirmed=forms.confirmed(),
        )
    except Refusal as refusal:
        return refused(person, "add", refusal)
    return redirect(asked.address, 303)


@blueprint.get("/billing/payment-methods/<int:method_id>/removal")
def removal(method_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING)
    dialog = read_removal(make_context(), person.account_id, method_id)
    part = "payment_methods/_remove_dialog.html"
    return show_payment_dialog(person, part, "Remove", dialog=dialog)


@blueprint.post("/billing/payment-methods/<int:method_id>/removal")
def remove(method_id: int) -> ResponseReturnValue:
    person = permit(Right.BILLING, proved=True)
    now = services().clock.now()
    try:
        method = remove_method(
            make_context(person.actor), person.account_id, method_id, confirmed=forms.confirmed()
        )
    except Refusal as refusal:
        return refused(person, "remove", refusal, method_id=method_id)
    return pressed(person, "remove", Message(f"{method.label} was removed."), now)


@blueprint.post("/billing/payment-methods/<int:method_id>/restorations")
def restore(method_id: int) -> ResponseReturnValue:
    """Restore without paying (F4)."""
    person = permit(Right.BILLING)
    now = services().clock.now()
    try:
        rate_limits.card(person)
        method = restore_method(
            make_context(person.actor), person.account_id, method_id, confirmed=forms.confirmed()
        )
    except Refusal as refusal:
        return refused(person, "payment", refusal, method_id=method_id)
    row = RowMessage("Verified with the bank. This method is back in use.", "ok")
    message = Message(f"{method.label} is back in use.")
    return pressed(person, "payment", message, now, messages={method_id: row})


@blueprint.post("/billing/automatic-payments/resumptions")
def resume() -> ResponseReturnValue:
    person = permit(Right.BILLING)
    ctx = make_context(person.actor)
    try:
        resume_automatic(ctx, person.account_id, confirmed=forms.confirmed())
    except Refusal as refusal:
        return refused(person, "auto_charge", refusal)
    return pressed(person, "auto_charge", Message("Automatic refills are on again."), ctx.now)


def _add(form: MultiDict[str, str], token: str = "token") -> ResponseReturnValue:
    """Save a card by its token. `state` proves that this person opened the form."""
    person = permit(Right.BILLING, confirmed=True)
    try:
        confirmed = check_state(person, form.get("state", ""))
    except Refusal as refusal:
        return refused(person, "add", refusal)
    repeated = {
        "state": form["state"],
        "token": form.get(token, ""),
        "consent": form.get("consent", ""),
    }
    require_reauthentication(person, url_for("payment_methods.create"), list(repeated.items()))
    processor, since = services().processors[services().card_processor], services().clock.now()
    over = "challenges.over" if wants_fragment() else "challenges.setup_returned"
    try:
        rate_limits.card(person)
        added = add_card(
            make_context(person.actor),
            person.account_id,
            form.get(token, ""),
            processor,
            return_to=url_for(over),
            consent=forms.consent(form),
            confirmed=confirmed,
        )
    except Refusal as refusal:
        return refused(person, "add", refusal)
    if isinstance(added, Asked):
        return _ask(person, added, processor.front)
    return saved(person, added, since)


def _ask(person: Person, asked: Asked, front: Front) -> ResponseReturnValue:
    conclusion = url_for("challenges.conclude_setup", setup_id=asked.setup_id)
    if front.question:
        return ask_on_page(person, front, asked.address, conclusion)
    if not wants_fragment():
        return redirect(asked.address, 303)
    return ask_in_frame(person, asked.address, conclusion)


def _order_saved(methods: list[PaymentMethod], seen: list[int], moved: int) -> Message:
    order = [method.id for method in methods]
    place = order.index(moved)
    sentence = f"{methods[place].label} moved to position {place + 1} of {len(order)}."
    primary = f"Order saved. {methods[0].label} is now primary."
    has_new_primary = order[0] != seen[0]
    return Message(
        text=primary if has_new_primary else sentence,
        heard=sentence if has_new_primary else "",
        undo_order=_joined(seen) if order != seen else "",
        undo_seen=_joined(order),
    )


def _moved(order: list[int], seen: list[int]) -> int:
    """The method that was moved: as named in the query, or else the one that moved farthest."""
    named = request.args.get("moved", type=int)
    if named in order:
        return named
    return max(order, key=lambda moved: abs(order.index(moved) - seen.index(moved)))


def _joined(ids: list[int]) -> str:
    return ",".join(str(one) for one in ids)
