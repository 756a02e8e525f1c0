"""Documents and errors in JSON:API format (https://jsonapi.org/format/1.1/)."""

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.http import problems
from webapp.extensions import db

MEDIA_TYPE = "application/vnd.api+json"


def document(kind: str, number: int, attributes: Mapping[str, str]) -> Response:
    return _render({"data": {"id": str(number), "type": kind, "attributes": attributes}})


def respond(error: Exception) -> ResponseReturnValue:
    problem = problems.of(error)
    db.session.rollback()
    error_object = {
        "status": str(problem.status),
        "code": problem.code,
        "title": problem.title,
        "detail": problem.detail,
    }
    response = _render({"errors": [error_object]})
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def init_blueprint(blueprint: Blueprint) -> None:
    blueprint.register_error_handler(Exception, respond)


def _render(body: Mapping[str, object]) -> Response:
    response = jsonify(body)
    response.mimetype = MEDIA_TYPE
    return response
