"""The id of each request: on its response, in the log's lines and in an API's problem.

A client or proxy can send its own as `X-Request-Id`; otherwise one is made.
"""

import logging
from re import fullmatch
from uuid import uuid4

from flask import Flask, Response, has_request_context, request

HEADER = "X-Request-Id"
KEPT = "ballast.request_id"
"""Key in the request's environment."""

SANE = r"[A-Za-z0-9._:/+=-]{1,100}"
"""What is taken from a request. Anything else could forge lines of the log."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s%(request_id)s %(message)s"


def init_app(app: Flask) -> None:
    app.after_request(add_header)


def request_id() -> str:
    """Return the current request's id."""
    if KEPT not in request.environ:
        sent = request.headers.get(HEADER, "")
        request.environ[KEPT] = sent if fullmatch(SANE, sent) else uuid4().hex
    return str(request.environ[KEPT])


def add_header(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response


class AddRequestId(logging.Filter):
    """Gives each line of the log its request's id, in brackets; nothing outside a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = f" [{request_id()}]" if has_request_context() else ""
        return True
