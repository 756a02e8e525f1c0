"""The sandbox processor's card form, which stands for another company's page.

It uses no session and no account, and returns a token for a card, as a real processor's form does
(M7). A refused form keeps its values, except the card number and the security code.
"""

from urllib.parse import urlencode

from flask import Response, abort, jsonify, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from webapp.domain.shared.errors import TooOften
from webapp.extensions import csrf, services
from webapp.processors.sandbox.card_form import KEPT_FIELDS, CardRefused, country_names, token_for
from webapp.processors.sandbox.cards import holds_a_number
from webapp.processors.sandbox.challenges import leads_here
from webapp.web.http import rate_limits


@csrf.exempt
def capture() -> ResponseReturnValue:
    """Return a token for the submitted card, as JSON or in a redirect."""
    by_script = request.accept_mimetypes.best == "application/json"
    if not by_script and not leads_here(request.form.get("return_to", "")):
        abort(400)
    books = services().sandbox
    if books is None:
        abort(404)
    try:
        rate_limits.capture()
    except TooOften as refusal:
        if not by_script:
            raise
        return jsonify(errors={"form": refusal.sentence}), 429
    try:
        token = token_for(books, request.form, services().clock.now())
    except CardRefused as refused:
        return _refused(refused, by_script), 422
    return (jsonify(token=token), 201) if by_script else _back_with(token)


def _refused(refused: CardRefused, by_script: bool) -> Response:
    if by_script:
        return jsonify(errors=refused.errors)
    written = {name: request.form.get(name, "") for name in KEPT_FIELDS}
    kept = {name: text for name, text in written.items() if not holds_a_number(text)}
    page = render_template(
        "sandbox/card.html",
        errors=refused.errors,
        fields=kept,
        return_to=request.form["return_to"],
        state=request.form.get("state", ""),
        setup=request.form.get("setup", ""),
        countries=[("", "Choose a country"), *country_names().items()],
    )
    return make_response(page)


def _back_with(token: str) -> ResponseReturnValue:
    return_to = request.form["return_to"]
    query = urlencode({"token": token, "state": request.form.get("state", "")})
    return redirect(f"{return_to}{'&' if '?' in return_to else '?'}{query}", 303)
