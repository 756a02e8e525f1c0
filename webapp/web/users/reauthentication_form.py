"""The form that asks a person to authenticate again, as a dialog or as a page.

It posts to the address of the refused request and carries all of its fields, so nothing typed is
lost and nothing is kept on the server; see `reauthentication.py`.
"""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from webapp.extensions import db
from webapp.web.http.reauthentication import PASSKEY_PROOF, PROOF, ReauthenticationNeeded
from webapp.web.http.responses import OPENS_DIALOG, show_dialog


def init_app(app: Flask) -> None:
    app.register_error_handler(ReauthenticationNeeded, ask)


def ask(needed: ReauthenticationNeeded) -> ResponseReturnValue:
    db.session.rollback()
    sent = needed.fields if needed.fields is not None else request.form.items(multi=True)
    context = {
        "action": needed.action or f"{request.script_root}{request.full_path}".rstrip("?"),
        "fields": [(name, value) for name, value in sent if name not in (PROOF, PASSKEY_PROOF)],
        "by_code": needed.person.has_second_factor,
        "error": needed.error,
        "message": None,
    }
    part = "users/session/_proof_dialog.html"
    html = show_dialog(needed.person, part, "", "Confirm it’s you", **context)
    return html, 401, OPENS_DIALOG
