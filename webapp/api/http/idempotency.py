"""`Idempotency-Key`: a repeated request gets the stored answer and has no second effect."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from re import fullmatch

from flask import Response, make_response, request
from flask.typing import ResponseReturnValue

from webapp.actions.api_keys.idempotency import begin_request, keep_answer, release_request
from webapp.api.http import problems
from webapp.api.http.authentication import permit
from webapp.api.openapi.operations import JSON, operation_of
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.api_keys.idempotency_keys import LONGEST_KEY, StoredAnswer
from webapp.domain.shared.errors import Invalid
from webapp.extensions import make_context

HEADER = "Idempotency-Key"
PATTERN = f"[!-~]{{1,{LONGEST_KEY}}}"
REPLAYED = "Idempotency-Replayed"

View = Callable[..., ResponseReturnValue]


def repeatable(view: View) -> View:
    """Make a POST idempotent. Place it directly on the handler, below `@operation`."""

    @wraps(view)
    def answer(**arguments: object) -> ResponseReturnValue:
        if HEADER not in request.headers:
            return view(**arguments)
        return _once(view, Scope(operation_of(answer).scope), arguments)  # type: ignore[union-attr]

    answer.is_repeatable = True  # type: ignore[attr-defined]
    return answer


def request_key() -> str:
    """The payment's permanent key, derived from `Idempotency-Key`; empty without the header."""
    key = request.headers.get(HEADER)
    return f"api{sha256(key.encode()).hexdigest()[:45]}" if key else ""


def _once(view: View, scope: Scope, arguments: dict[str, object]) -> ResponseReturnValue:
    key, fingerprint = request.headers[HEADER], _request_hash()
    if not fullmatch(PATTERN, key):
        raise Invalid({HEADER: f"Must be 1 to {LONGEST_KEY} printable ASCII characters, no spaces"})
    account_id = permit(scope).account_id
    stored = begin_request(make_context(), account_id, key, fingerprint)
    if stored is not None:
        return _replay(stored)
    try:
        response = make_response(view(**arguments))
    except Exception as error:
        # A server error may follow the effect: keep the claim, so the effect cannot be repeated.
        if problems.of(error).status < 500:
            release_request(make_context(), account_id, key, fingerprint)
        raise
    if response.status_code >= 300:
        release_request(make_context(), account_id, key, fingerprint)
    else:
        kept = StoredAnswer(
            response.status_code, response.headers.get("Location", ""), response.get_data(True)
        )
        keep_answer(make_context(), account_id, key, fingerprint, kept)
    return response


def _replay(stored: StoredAnswer) -> Response:
    response = Response(stored.body, stored.status, mimetype=JSON)
    response.headers[REPLAYED] = "true"
    if stored.location:
        response.headers["Location"] = stored.location
    return response


def _request_hash() -> str:
    head = f"{request.method} {request.full_path} {request.mimetype}\n".encode()
    return sha256(head + request.get_data()).hexdigest()
