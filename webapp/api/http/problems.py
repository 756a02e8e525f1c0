"""What went wrong, as a machine is told: problem details (RFC 9457). No stack trace leaves here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from flask import Blueprint, Response, current_app, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from webapp import outages
from webapp.domain.shared.errors import Denied, Invalid, NotFound, Refusal, Stale, TooOften
from webapp.extensions import db

MEDIA_TYPE = "application/problem+json"
OUR_FAULT = "Something went wrong on our side. Send it again: what was posted is not posted twice."


@dataclass(frozen=True)
class Problem:
    status: int
    detail: str
    """A plain sentence."""
    code: str
    """Stable, for the machine."""
    members: Mapping[str, object] = field(default_factory=dict)
    """What else this kind of problem tells."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


@dataclass(frozen=True)
class ProblemDetails:
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    """The status in words."""
    status: int
    detail: str
    """A sentence for people; it may be worded anew."""
    code: str
    """For programs. Stable; new ones may be added."""
    errors: dict[str, str] = field(default_factory=dict)
    """Of `invalid`: what is wrong, by field."""


def of(error: Exception) -> Problem:
    """The problem that an exception means to whoever sent the request."""
    if isinstance(error, Invalid):
        return Problem(422, error.sentence, error.code, {"errors": error.fields})
    if isinstance(error, Denied):
        return Problem(403, error.sentence, error.code)
    if isinstance(error, Stale):
        return Problem(412, error.sentence, error.code)
    if isinstance(error, TooOften):
        headers = {"Retry-After": str(error.seconds)}
        return Problem(429, error.sentence, error.code, headers=headers)
    if isinstance(error, Refusal):
        return Problem(404 if isinstance(error, NotFound) else 409, error.sentence, error.code)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
        code = HTTPStatus(error.code).name.lower()
        return Problem(error.code, error.description or "", code, headers=headers)
    if (outage := outages.outage(error)) is not None:
        headers = {"Retry-After": str(outage.retry_after)}
        return Problem(503, outage.detail, outage.code, headers=headers)
    current_app.logger.error("unhandled error at %s", outages.place(), exc_info=error)
    return Problem(500, OUR_FAULT, "internal_error")


def render(problem: Problem) -> Response:
    response = jsonify(
        {
            **problem.members,
            "type": "about:blank",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
        }
    )
    response.status_code, response.mimetype = problem.status, MEDIA_TYPE
    response.headers.update(problem.headers)
    return response


def tell(error: Exception) -> ResponseReturnValue:
    """Nothing of what the request began is kept."""
    problem = of(error)
    db.session.rollback()
    return render(problem)


def init_blueprint(blueprint: Blueprint) -> None:
    blueprint.register_error_handler(Exception, tell)
