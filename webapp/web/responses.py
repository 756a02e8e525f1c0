"""A page or a fragment: the same partials, whole or in part."""

from flask import flash, get_flashed_messages, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.extensions import db, parts
from webapp.reads.message import Message
from webapp.reads.shell import read_shell
from webapp.web.access import Person


def wants_fragment() -> bool:
    return request.headers.get("HX-Request") == "true"


def show(person: Person, template: str, page: str, **context: object) -> str:
    """Render with the shell around it; `page` is the menu's current entry."""
    it = parts()
    now = it.clock.now()
    shell = read_shell(
        db.session(), person.account_id, person.id, now, sandbox=it.sandbox is not None
    )
    context.setdefault("message", said())
    return render_template(template, shell=shell, balance=shell.balance, page=page, **context)


def say(message: Message) -> None:
    """Keep a message for the page that a redirect leads to."""
    flash(message.text, message.tone)


def said() -> Message | None:
    """The last word counts: an older one was overtaken before anyone saw it."""
    flashed = get_flashed_messages(with_categories=True)
    return Message(flashed[-1][1], flashed[-1][0]) if flashed else None


def go_to(endpoint: str, message: Message | None = None) -> ResponseReturnValue:
    """Post, then redirect: a reload repeats nothing."""
    if message is not None:
        say(message)
    return redirect(url_for(endpoint), 303)
