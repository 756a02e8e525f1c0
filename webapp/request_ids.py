"""The id of each request: on its response, in the log's lines and in an API's problem.

A client or proxy can send its own as `X-Request-Id`; otherwise one is made.
"""

import logging
from re import compile as pattern
from secrets import token_hex

from flask import Flask, Response, has_request_context, request

HEADER = "X-Request-Id"
KEPT = "ballast.request_id"
"""Key in the request's environment."""

SANE = pattern(r"[A-Za-z0-9._:/+=-]{1,100}")
"""What is taken from a request. Anything else could forge lines of the log."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s%(request_id)s %(message)s"


def init_app(app: Flask) -> None:
    app.after_request(add_header)


def request_id() -> str:
    """Return the current request's id."""
    environ = request.environ
    if KEPT not in environ:
        sent = request.headers.get(HEADER, "")
        environ[KEPT] = sent if SANE.fullmatch(sent) else token_hex(16)
    return str(environ[KEPT])


def add_header(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response


class AddRequestId(logging.Filter):
    """Gives each line of the log its request's id, in brackets; nothing outside a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = f" [{request_id()}]" if has_request_context() else ""
        return True
