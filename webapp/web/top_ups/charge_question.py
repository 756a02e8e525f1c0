"""Ask for confirmation before an action that charges at once (T18).

As with re-authentication, the form posts to the URL of the refused request and carries all of its
fields, plus the confirmed amount.
"""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.extensions import db, make_context
from webapp.reads.top_ups.charge_question import read_charge_question
from webapp.web.http.access import signed_in
from webapp.web.http.reauthentication import PROOF
from webapp.web.http.responses import OPENS_DIALOG, show_dialog

PRESSES = {
    "payment_methods.reorder": "Save order",
    "payment_methods.restore": "Restore",
    "payment_methods.remove": "Remove",
    "payment_methods.resume": "Resume",
    "operator.accounts.pause": "Resume",
    "operator.attempts.decide": "Settle",
    "low_balance.apply": "Apply",
    "notifications.apply": "Apply",
}


def init_app(app: Flask) -> None:
    app.register_error_handler(ChargeUnconfirmed, ask)


def ask(unconfirmed: ChargeUnconfirmed) -> ResponseReturnValue:
    person = signed_in()
    db.session.rollback()
    question = read_charge_question(make_context(), unconfirmed.charge, _press())
    fields = [(n, v) for n, v in request.form.items(multi=True) if n not in (PROOF, "confirmed")]
    context = {
        "question": question,
        "action": f"{request.script_root}{request.full_path}".rstrip("?"),
        "fields": fields,
        "message": None,
    }
    page_of = "operator_accounts" if person.is_operator else "payment_methods"
    part = "top_ups/_charge_question.html"
    html = show_dialog(person, part, page_of, question.title, **context)
    return html, 409, OPENS_DIALOG


def _press() -> str:
    """The pressed action, with which the label of the confirming button starts."""
    if request.endpoint == "payment_methods.set_auto_charge":
        return "Turn on" if request.form.get("on") == "1" else "Turn off"
    return PRESSES[request.endpoint or ""]
