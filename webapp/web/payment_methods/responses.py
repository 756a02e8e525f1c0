"""Responses of the main screen: its changed parts for scripts, or the whole page."""

from collections.abc import Mapping
from datetime import datetime

from flask.typing import ResponseReturnValue

from webapp.actions.top_ups.finish_top_up import finish_top_up
from webapp.domain.events.event import Subject
from webapp.domain.shared.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    Refusal,
    Stale,
    TooOften,
)
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.extensions import db, make_context, services
from webapp.ports import Front
from webapp.reads.message import Message
from webapp.reads.payment_methods.main_screen import MainScreen
from webapp.reads.payment_methods.method_rows import RowMessage
from webapp.reads.payments.outcome import Outcome, read_refill_outcome
from webapp.web.http import forms
from webapp.web.http.person import Person
from webapp.web.http.responses import (
    go_to,
    is_on_main_screen,
    link_context,
    return_endpoint,
    show,
    show_dialog,
    wants_fragment,
)

NEEDS_SCRIPT = (
    "Your bank asks you to confirm this in a window that needs JavaScript. Nothing was charged."
)


def read(
    person: Person,
    *,
    messages: Mapping[int, RowMessage] | None = None,
    fresh: int | None = None,
) -> MainScreen:
    return MainScreen(
        make_context(),
        person.account_id,
        messages=messages or {},
        fresh=fresh,
        has_paypal=bool(services().paypal_processor),
        is_confirmed=person.is_confirmed,
    )


def render(person: Person, template: str, screen: MainScreen, **context: object) -> str:
    """Render the main screen, whole or in parts. Only what the template shows is read."""
    context["screen"] = screen
    if not screen.has_methods:  # the first steps say where the link for the email address is
        context |= {"email": person.shown_email, **link_context(person)}
    if template == "index":
        context |= {"balance": screen.balance, "subject": Subject.PAYMENT_METHODS}
    return show(person, f"payment_methods/{template}.html", "payment_methods", **context)


def show_payment_dialog(person: Person, part: str, title: str, **context: object) -> str:
    """Render a dialog whose form the main screen handles, with the scripts of bank challenges."""
    front = services().processors[services().card_processor].front
    context |= {"scripts": front.scripts if front.question else (), "uses_htmx": True}
    return show_dialog(person, part, "payment_methods", title, **context)


def changed(
    person: Person,
    change: str,
    message: Message,
    *,
    messages: Mapping[int, RowMessage] | None = None,
    fresh: int | None = None,
) -> ResponseReturnValue:
    """The response after a change: the changed parts, or a redirect."""
    if not wants_fragment() or not is_on_main_screen():
        return go_to(return_endpoint(), message)
    screen = read(person, messages=messages, fresh=fresh)
    return render(person, f"after/{change}", screen, message=message)


def charged_by_press(account_id: int, since: datetime) -> Outcome | None:
    """The outcome of the refill that this press opened or enlarged; None if it did neither (T18).

    `since`: an instant before the press took effect.
    """
    session = db.session()
    opened = top_ups.open_top_up(session, account_id)
    opened = opened or top_ups.opened_since(session, account_id, since)
    if opened is None:
        return None
    finish_top_up(make_context(), opened.id)
    return read_refill_outcome(make_context(), opened.id)


def pressed(
    person: Person,
    change: str,
    message: Message,
    since: datetime,
    *,
    messages: Mapping[int, RowMessage] | None = None,
    fresh: int | None = None,
    expects_charge: bool | None = None,
) -> ResponseReturnValue:
    """Like `changed`, after an action that may charge; then the outcome replaces the message."""
    services().wake()
    expects = forms.confirmed() > 0 if expects_charge is None else expects_charge
    outcome = charged_by_press(person.account_id, since) if expects else None
    if outcome is None:
        return changed(person, change, message, messages=messages, fresh=fresh)
    return changed(
        person,
        "payment",
        outcome_message(outcome),
        messages={**(messages or {}), **outcome.rows},
        fresh=outcome.method_id if outcome.is_paid else fresh,
    )


def outcome_message(outcome: Outcome) -> Message:
    """The outcome as a message with a link to the payment or to Add Funds."""
    return Message(
        outcome.sentence,
        outcome.tone,
        payment_id=None if outcome.offers_funds else outcome.payment_id,
        offers_funds=outcome.offers_funds,
    )


def ask_in_frame(person: Person, address: str, conclusion: str) -> ResponseReturnValue:
    """Show the bank's page in a frame above the dialog; its form posts to `conclusion`."""
    template = "payment_methods/after/challenge.html"
    context = {"address": address, "conclusion": conclusion, "message": None}
    page = show(person, template, "payment_methods", **context)
    return page, {"HX-Retarget": "#bank"}


def is_external(address: str) -> bool:
    """Whether the challenge is on the processor's own host, which cannot be framed."""
    return address.startswith(("https://", "http://"))


def ask_on_page(person: Person, front: Front, address: str, conclusion: str) -> ResponseReturnValue:
    """Run the challenge by the processor's script, above the page."""
    if not wants_fragment():
        return go_to(return_endpoint(), Message(NEEDS_SCRIPT, "bad"))
    context = {**front.variables, "address": address, "conclusion": conclusion, "message": None}
    page = show(person, front.question, "payment_methods", **context)
    return page, {"HX-Retarget": "#question", "HX-Reswap": "innerHTML"}


def refused(
    person: Person, change: str, refusal: Refusal, *, method_id: int | None = None
) -> ResponseReturnValue:
    """Show the current state with the reason. Re-raises refusals that another handler renders."""
    db.session.rollback()
    if isinstance(refusal, (NotFound, ChargeUnconfirmed)):
        raise refusal
    if wants_fragment() and not is_on_main_screen():
        return go_to(return_endpoint(), Message(refusal.sentence, "bad"))
    messages = {method_id: RowMessage(refusal.sentence, "bad")} if method_id is not None else None
    template = f"after/{change}" if wants_fragment() else "index"
    screen, message = read(person, messages=messages), Message(refusal.sentence, "bad")
    return render(person, template, screen, message=message), status_of(refusal)


def status_of(refusal: Refusal) -> int:
    if isinstance(refusal, (Stale, Conflict)):
        return 409
    if isinstance(refusal, Denied):
        return 403
    if isinstance(refusal, TooOften):
        return 429
    return 404 if isinstance(refusal, NotFound) else 422


def fields_of(refusal: Refusal) -> dict[str, str]:
    return refusal.fields if isinstance(refusal, Invalid) else {}
