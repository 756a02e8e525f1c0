"""Error pages and messages. No page shows a stack trace."""

from flask import Flask, current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from webapp import outages
from webapp.domain.shared.errors import Denied, NotFound, Refusal, TooOften
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.system.outage import Outage
from webapp.reads.users.missing_right import read_no_right
from webapp.web.http.access import NoRight, Unconfirmed, ask_to_sign_in, link_location
from webapp.web.http.menu import first_entry
from webapp.web.http.responses import OPENS_DIALOG, Question, ask_first, show, wants_fragment

WORDS = {
    400: ("We couldn’t process that request", "Go back, reload the page and try again."),
    403: ("You don’t have access", "Your role does not allow this."),
    404: ("Page not found", "It may have been removed, or the address is mistyped."),
    405: ("That isn’t possible here", "Go back to the page you came from."),
    413: ("That is too large", "Send a smaller file or form."),
    429: ("Too many attempts", "Wait a moment and try again."),
    500: (
        "Something went wrong on our side",
        "No change was left half done. Try again in a moment.",
    ),
}

SIGNED_OUT = frozenset(
    ("session", "sign_up", "passwords", "passkeys", "invitations", "emails", "unsubscribe")
)
"""Blueprints whose forms need no session; there, a CSRF error means that the page is too old."""

TEXT_ONLY = (403, 422, 429)
"""Statuses whose message to a script is the text without the title."""


def init_app(app: Flask) -> None:
    app.register_error_handler(CSRFError, out_of_date)
    app.register_error_handler(HTTPException, explain)
    app.register_error_handler(Refusal, refuse)
    app.register_error_handler(NoRight, deny)
    app.register_error_handler(Exception, fail)


def refuse(refusal: Refusal) -> ResponseReturnValue:
    """A refusal that the handler did not show itself."""
    db.session.rollback()
    if isinstance(refusal, Unconfirmed) and request.method == "GET":
        return ask_to_confirm(refusal)
    if isinstance(refusal, NotFound):
        return page(404, *WORDS[404])
    if isinstance(refusal, Denied):
        return page(403, WORDS[403][0], refusal.sentence)
    if isinstance(refusal, TooOften):
        return page(429, WORDS[429][0], refusal.sentence)
    return page(422, "We couldn’t do that", refusal.sentence)


def out_of_date(error: CSRFError) -> ResponseReturnValue:
    """The form's session has ended, or another window has started a new one."""
    if not current_user.is_authenticated and request.blueprint not in SIGNED_OUT:
        return ask_to_sign_in()
    title, text = "This page is out of date", "Reload it and try again. Nothing was changed."
    answer = current_app.make_response(page(400, title, text))
    if wants_fragment():
        answer.headers["X-Session"] = "ended"
    return answer


def deny(denied: NoRight) -> ResponseReturnValue:
    """Show the missing right on a page with the menu of what the person may open (P5)."""
    db.session.rollback()
    person = denied.person
    sentence = read_no_right(make_context(), person.account_id, person.id, denied.right)
    if wants_fragment():
        return inline_message(403, sentence)
    first = first_entry(person)
    return show(person, "errors/missing_right.html", "", sentence=sentence, first=first), 403


def explain(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error
    outage = outages.outage(error)
    return unavailable(outage) if outage else page(error.code, *WORDS.get(error.code, WORDS[400]))


def fail(error: Exception) -> ResponseReturnValue:
    """Log the stack trace and show a short message."""
    outage = outages.outage(error)
    if outage is not None:
        db.session.rollback()
        return unavailable(outage)
    current_app.logger.error("unhandled error at %s", outages.place(), exc_info=error)
    db.session.rollback()
    return page(500, *WORDS[500])


def unavailable(outage: Outage) -> ResponseReturnValue:
    """503 as a page, or as a message that a script shows (static/js/messages.js)."""
    answer = current_app.make_response(page(503, outage.title, outage.text))
    answer.headers["Retry-After"] = str(outage.retry_after)
    return answer


def page(code: int, title: str, text: str) -> ResponseReturnValue:
    if wants_fragment():
        return inline_message(code, text if code in TEXT_ONLY else f"{title}. {text}")
    return render("errors/error.html", code=code, title=title, text=text), code


def ask_to_confirm(refusal: Unconfirmed) -> ResponseReturnValue:
    """Ask to confirm the email address, in place of the dialog that was requested."""
    question = Question(
        title="Confirm your email first",
        text=f"{link_location(refusal.person)} You can do this once you have opened it.",
        button="Send it again" if services().settings.mail_server else "Create a new link",
        action=url_for("sign_up.send_again"),
        back_url=url_for("session.home"),
        cancel="Close",
    )
    return ask_first(refusal.person, "", question), 422, OPENS_DIALOG


def inline_message(code: int, sentence: str) -> ResponseReturnValue:
    """A message that a script shows (static/js/messages.js) without replacing anything."""
    body = render("shared/_messages.html", message=Message(sentence, "bad"))
    return body, code, {"HX-Reswap": "none"}


def render(template: str, **context: object) -> str:
    """Render without Flask's `render_template`, which would read the user from the database."""
    return current_app.jinja_env.get_template(template).render(context)
