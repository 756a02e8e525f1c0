"""`Idempotency-Key`: a repeated request gets the stored answer and has no second effect."""

from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from re import fullmatch

from flask import Response, request
from werkzeug.exceptions import BadRequest

from webapp.actions.api_keys.idempotency import begin_request, keep_answer, release_request
from webapp.api.http import problems
from webapp.api.openapi.operations import JSON, Operation
from webapp.domain.api_keys.idempotency_keys import LONGEST_KEY, StoredAnswer
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, PaymentDeclined

HEADER = "Idempotency-Key"
PATTERN = f"[!-~]{{1,{LONGEST_KEY}}}"
REPLAYED = "Idempotency-Replayed"


class KeyRequired(BadRequest):
    """A request that charges has no `Idempotency-Key`: sent twice, it would charge twice."""

    description = "Send an Idempotency-Key: a unique id you choose, such as a UUID."
    problem_code = "idempotency_key_required"


def request_key() -> str:
    """The payment's permanent key, derived from `Idempotency-Key`; empty without the header."""
    key = request.headers.get(HEADER)
    return f"api{sha256(key.encode()).hexdigest()[:45]}" if key else ""


def once(
    ctx: Context, account_id: int | None, answer: Callable[[], Response], operation: Operation
) -> Response:
    """Answer a POST or PATCH; a repeat with the same `Idempotency-Key` gets the stored answer.

    An answer with a secret is not stored: a repeat raises `Conflict`.
    """
    if (key := request.headers.get(HEADER)) is None:
        if operation.requires_key:
            raise KeyRequired
        return answer()
    if not fullmatch(PATTERN, key):
        raise Invalid({HEADER: f"Must be 1 to {LONGEST_KEY} printable ASCII characters, no spaces"})
    fingerprint = _request_hash()
    stored = begin_request(ctx, account_id, key, fingerprint)
    if stored is not None and operation.shows_secret:
        raise Conflict(
            "The first request with this Idempotency-Key has succeeded. Its response contains a "
            "secret and is not kept.",
            code="answer_not_kept",
        )
    if stored is not None:
        return _replay(stored)
    try:
        response = answer()
    except PaymentDeclined as declined:
        response = problems.respond(declined)
    except Exception as error:
        # A server error may follow the effect: keep the claim, so the effect cannot be repeated.
        if problems.of(error).status < 500:
            release_request(ctx, account_id, key, fingerprint)
        raise
    if response.status_code >= 300 and response.status_code != HTTPStatus.PAYMENT_REQUIRED:
        release_request(ctx, account_id, key, fingerprint)
    else:
        body = "" if operation.shows_secret else response.get_data(True)
        kept = StoredAnswer(response.status_code, response.headers.get("Location", ""), body)
        keep_answer(ctx, account_id, key, fingerprint, kept)
    return response


def _replay(stored: StoredAnswer) -> Response:
    kind = JSON if stored.status < 300 else problems.MEDIA_TYPE
    response = Response(stored.body, stored.status, mimetype=kind)
    response.headers[REPLAYED] = "true"
    if stored.location:
        response.headers["Location"] = stored.location
    return response


def _request_hash() -> str:
    head = f"{request.method} {request.full_path} {request.mimetype}\n".encode()
    return sha256(head + request.get_data()).hexdigest()
