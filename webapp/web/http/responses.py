"""Render pages, fragments for scripts, messages and redirects."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from flask import flash, get_flashed_messages, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain.shared.provider import NOBODY
from webapp.domain.users.user import Right
from webapp.extensions import make_context, services
from webapp.reads.ledger.balance_pill import read_balance
from webapp.reads.message import Message
from webapp.reads.shell import Shell, in_words, read_operators_shell, read_shell
from webapp.web.http.access import may_open_outbox
from webapp.web.http.controls import turn_off
from webapp.web.http.menu import menu_of
from webapp.web.http.person import Person
from webapp.web.http.restrictions import why_off
from webapp.web.http.security_headers import open_for_processors

OPENS_DIALOG = {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
"""Headers of a fragment that opens in the dialog, whatever the target of the request."""


def wants_fragment() -> bool:
    return request.headers.get("HX-Request") == "true"


def is_on_main_screen() -> bool:
    """Whether the request comes from the main screen, whose parts a response can replace."""
    return _current_page() in ("", url_for("payment_methods.index"))


def return_endpoint() -> str:
    """The endpoint to return to: the list of payments if the dialog was opened there."""
    from_payments = _current_page().startswith(url_for("payments.index"))
    return "payments.index" if from_payments else "payment_methods.index"


def _current_page() -> str:
    return urlsplit(request.headers.get("HX-Current-URL", "")).path


def show(
    person: Person, template: str, page: str, subject: object = None, **context: object
) -> str:
    """Render a page in its shell. `page` is the current entry of the menu.

    `subject`: the `Subject` or `SubjectId` that the page shows. Those who may read the audit log
    get a link to its changes (E2).
    Partials are rendered without the shell.
    """
    context.setdefault("message", flashed_message())
    context["subject"] = str(subject) if subject and person.may(Right.AUDIT) else ""
    if not is_partial(template):
        context = _with_shell(person, **context)
    html = render_template(template, page=page, **context)
    if not (why := why_off(person)):
        return html
    own = [url_for("operator.views.end"), url_for("session.sign_out")]
    if not is_partial(template):
        shell = cast(Shell, context["shell"])
        own += [url_for("accounts.visit", account_id=it.id) for it in shell.accounts]
    return turn_off(html, why, but=own)


def show_dialog(person: Person, part: str, page: str, title: str, **context: object) -> str:
    """Render the dialog `part`, or without scripts the page that holds it."""
    if wants_fragment():
        return show(person, part, page, **context)
    return show(person, "shared/dialog_page.html", page, part=part, title=title, **context)


def is_partial(template: str) -> bool:
    """Whether a template is part of a page: its name starts with `_`, or its folder is `after/`."""
    folder, _, name = template.rpartition("/")
    return name.startswith("_") or folder.endswith("/after")


def _with_shell(person: Person, **context: object) -> dict[str, object]:
    if person.may(Right.BILLING):
        open_for_processors()
        context["front"] = services().processors[services().card_processor].front
    context["shell"] = (
        read_operators_shell(
            make_context(),
            person.id,
            person.account_id,
            sandbox=services().sandbox is not None,
        )
        if person.is_operator
        else read_shell(
            make_context(),
            person.account_id,
            person.id,
            sandbox=may_open_outbox(person),
            test_mode=services().settings.test_mode,
        )
    )
    if person.role is not None:
        context["shell"] = replace(
            cast(Shell, context["shell"]),
            accounts=(),
            user_role=in_words({person.role}),
            user_email=person.shown_email,
            portal_url=person.portal_url,
            provider=_provider_name(),
        )
    context["menu"] = menu_of(person)
    context |= link_context(person)
    context["who"], context["account_id"] = person.who, person.account_id
    if "balance" not in context and person.may(Right.BILLING):
        context["balance"] = read_balance(make_context(), person.account_id)
    return context


def link_context(person: Person) -> dict[str, object]:
    """Context of `_link_location.html`: whether emails are sent, and the outbox's URL if not."""
    sends = bool(services().settings.mail_server)
    outbox = "" if sends or not may_open_outbox(person) else url_for("sandbox.outbox")
    return {"sends_email": sends, "outbox": outbox}


def _provider_name() -> str:
    provider = services().policy.provider
    return "your provider" if provider == NOBODY else provider.name


@dataclass(frozen=True)
class Question:
    """A confirmation before an action on security or on other people."""

    title: str
    text: str
    button: str
    action: str
    back_url: str
    """The URL that Cancel leads to."""
    fields: tuple[tuple[str, str], ...] = ()
    cancel: str = "Cancel"


def ask_first(person: Person, page: str, question: Question) -> str:
    """Show the question in a dialog, or on its own page without scripts."""
    part = "shared/_question_dialog.html"
    return show_dialog(person, part, page, question.title, question=question)


def say(message: Message) -> None:
    """Keep a message for the page after a redirect."""
    flash(json.dumps(asdict(message)))


def flashed_message() -> Message | None:
    """The newest message kept by `say`; older ones are dropped.

    Only the page after a redirect takes it, not a refresh by the page that is about to go.
    """
    if wants_fragment():
        return None
    flashed = cast(list[str], get_flashed_messages())
    return Message(**json.loads(flashed[-1])) if flashed else None


def go_to(endpoint: str, message: Message | None = None, **values: Any) -> ResponseReturnValue:
    """Redirect after a POST. A request by a script redirects the whole page.

    `values` are those of the URL; None is left out.
    """
    if message is not None:
        say(message)
    if wants_fragment():
        return "", {"HX-Redirect": url_for(endpoint, **values)}
    return redirect(url_for(endpoint, **values), 303)
