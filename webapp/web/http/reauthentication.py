"""Asking a person to prove again that it is they, and then carrying on with what they wanted.

The form that asks goes to the same address and carries all that was sent there, so that the
handler simply goes on once the proof is right (see `access.prove`). Nothing typed is lost, nothing
is kept on the server, and it works in a dialog as well as on a page of its own.
"""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from webapp.extensions import db
from webapp.web.http.access import PASSKEY_PROOF, PROOF, ProofNeeded
from webapp.web.http.responses import show, wants_fragment


def init_app(app: Flask) -> None:
    app.register_error_handler(ProofNeeded, ask)


def ask(needed: ProofNeeded) -> ResponseReturnValue:
    db.session.rollback()
    sent = needed.fields if needed.fields is not None else request.form.items(multi=True)
    context = {
        "action": needed.action or f"{request.script_root}{request.full_path}".rstrip("?"),
        "fields": [(name, value) for name, value in sent if name not in (PROOF, PASSKEY_PROOF)],
        "by_code": needed.person.has_second_factor,
        "error": needed.error,
        "message": None,
    }
    if wants_fragment():
        page = show(needed.person, "users/session/_proof_dialog.html", "", **context)
        # Wherever the answer was to go: the question comes in the dialog.
        return page, 401, {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
    return show(needed.person, "users/session/proof.html", "", **context), 401
