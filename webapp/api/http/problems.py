"""Problem details for API errors (RFC 9457). Responses never include a stack trace."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from flask import Blueprint, Response, current_app, request
from pydantic import Field
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from webapp import outages
from webapp.domain.shared.errors import (
    Denied,
    Expired,
    Invalid,
    NotFound,
    PaymentRequired,
    Refusal,
    Stale,
    TooOften,
)
from webapp.extensions import db
from webapp.reads.records.record import Record
from webapp.request_ids import request_id

MEGABYTE = 1024 * 1024
MEDIA_TYPE = "application/problem+json"
SERVER_ERROR = "Unexpected server error. Try again: usage with the same reference is posted once."


@dataclass(frozen=True)
class Problem:
    status: int
    detail: str
    """A sentence for people."""
    code: str
    """Stable code for programs."""
    members: Mapping[str, object] = field(default_factory=dict)
    """Additional members of this kind of problem."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


class ProblemDetails(Record):
    """An error (RFC 9457)."""

    type: str = Field(description="The code's section of the API reference; use `code`.")
    title: str = Field(description="The reason phrase of the HTTP status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence for people. Its wording may change.")
    code: str = Field(description="A stable code for programs. Codes may be added.")
    request_id: str = Field(
        "", description="The `X-Request-Id` of the response, which the server's log states, too."
    )
    errors: dict[str, str] = Field(
        {}, description="With code `invalid` or `too_large`: the error of each field."
    )


def of(error: Exception) -> Problem:
    """Map an exception to the problem that the client receives."""
    if isinstance(error, Invalid):
        return Problem(422, error.first_error, error.code, {**error.facts, "errors": error.fields})
    if isinstance(error, PaymentRequired):
        return Problem(402, error.sentence, error.code, error.facts)
    if isinstance(error, Denied):
        return Problem(403, error.sentence, error.code, error.facts)
    if isinstance(error, Stale):
        return Problem(412, error.sentence, error.code)
    if isinstance(error, Expired):
        return Problem(410, error.sentence, error.code)
    if isinstance(error, TooOften):
        headers = {"Retry-After": str(error.seconds)}
        return Problem(429, error.sentence, error.code, headers=headers)
    if isinstance(error, Refusal):
        status = 404 if isinstance(error, NotFound) else 409
        return Problem(status, error.sentence, error.code, error.facts)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
        code = getattr(error, "problem_code", HTTPStatus(error.code).name.lower())
        return Problem(error.code, _detail(error), code, headers=headers)
    if (outage := outages.outage(error)) is not None:
        headers = {"Retry-After": str(outage.retry_after)}
        return Problem(503, outage.detail, outage.code, headers=headers)
    current_app.logger.error("unhandled error at %s", outages.place(), exc_info=error)
    return Problem(500, SERVER_ERROR, "internal_error")


def _detail(error: HTTPException) -> str:
    if isinstance(error, RequestEntityTooLarge) and request.max_content_length is not None:
        largest = request.max_content_length // MEGABYTE
        return f"The body is larger than {largest} MB. Send less at once."
    return error.description or ""


def body(problem: Problem) -> dict[str, object]:
    return {
        **problem.members,
        "type": f"/api/docs#code-{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }


def render(problem: Problem) -> Response:
    members = body(problem) | {"request_id": request_id()}
    response = Response(json.dumps(members), problem.status, mimetype=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def respond(error: Exception) -> Response:
    """Roll back the request's transaction and render the error."""
    problem = of(error)
    db.session.rollback()
    return render(problem)


def init_blueprint(blueprint: Blueprint) -> None:
    blueprint.register_error_handler(Exception, respond)
