"""`Idempotency-Key`: a request that is sent again is answered as it was, and does nothing twice."""

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
from webapp.extensions import db, services

HEADER = "Idempotency-Key"
PATTERN = f"[!-~]{{1,{LONGEST_KEY}}}"
REPLAYED = "Idempotency-Replayed"

View = Callable[..., ResponseReturnValue]


def repeatable(view: View) -> View:
    """For every POST, right above its handler: `operation` above it names the scope."""

    @wraps(view)
    def answer(**arguments: object) -> ResponseReturnValue:
        if HEADER not in request.headers:
            return view(**arguments)
        return _once(view, Scope(operation_of(answer).scope), arguments)  # type: ignore[union-attr]

    answer.is_repeatable = True  # type: ignore[attr-defined]
    return answer


def request_key() -> str:
    """For what a payment is known by for good; the same for the same `Idempotency-Key`."""
    key = request.headers.get(HEADER)
    return f"api{sha256(key.encode()).hexdigest()[:45]}" if key else ""


def _once(view: View, scope: Scope, arguments: dict[str, object]) -> ResponseReturnValue:
    key, asked = request.headers[HEADER], _hash_of_request()
    if not fullmatch(PATTERN, key):
        raise Invalid({HEADER: f"1 to {LONGEST_KEY} printable characters of ASCII, no blanks"})
    account_id = permit(scope).account_id
    session = db.session()
    given = begin_request(session, account_id, key, asked, services().clock.now())
    if given is not None:
        return _again(given)
    try:
        response = make_response(view(**arguments))
    except Exception as error:
        # A fault of ours may have come after the effect: then the next one finds what was done.
        if problems.of(error).status < 500:
            release_request(session, account_id, key, asked)
        raise
    if response.status_code >= 300:
        release_request(session, account_id, key, asked)
    else:
        told = StoredAnswer(
            response.status_code, response.headers.get("Location", ""), response.get_data(True)
        )
        keep_answer(session, account_id, key, asked, told)
    return response


def _again(given: StoredAnswer) -> Response:
    response = Response(given.body, given.status, mimetype=JSON)
    response.headers[REPLAYED] = "true"
    if given.location:
        response.headers["Location"] = given.location
    return response


def _hash_of_request() -> str:
    said = f"{request.method} {request.full_path} {request.mimetype}\n".encode()
    return sha256(said + request.get_data()).hexdigest()
