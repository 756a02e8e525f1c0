"""API errors for unknown paths and methods.

A path without a route belongs to no blueprint, so its 404 would be an HTML page. A catch-all route
hands it to the blueprint's own error handler.
"""

from typing import NoReturn

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Anything(BaseConverter):
    """The rest of a path, also with line breaks and empty parts."""

    regex = "(?s:.*)"
    part_isolating = False


def init_blueprint(blueprint: Blueprint) -> None:
    endpoint = f"{blueprint.name}.unknown_route"

    def add(state: BlueprintSetupState) -> None:
        state.app.url_map.converters["anything"] = Anything
        for path in ("", "/<anything:rest>"):
            # Not `route()`: only a rule without methods matches every method.
            rule = state.app.url_rule_class(f"{state.url_prefix}{path}", endpoint=endpoint)
            state.app.url_map.add(rule)
        state.app.view_functions[endpoint] = unknown_route

    blueprint.record(add)


def unknown_route(rest: str = "") -> NoReturn:
    adapter = current_app.create_url_adapter(request)
    allowed = [m for m in METHODS if adapter and adapter.match(method=m)[0] != request.endpoint]
    if allowed:
        raise MethodNotAllowed(allowed, f"This path allows {', '.join(allowed)}.")
    raise NotFound("This path does not exist.")
