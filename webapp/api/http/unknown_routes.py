"""API errors for unknown paths and methods.

A path without a route belongs to no blueprint, so its 404 would be an HTML page. A catch-all route
hands it to the blueprint's own error handler.
"""

from typing import NoReturn

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import MethodNotAllowed, NotFound

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def init_blueprint(blueprint: Blueprint) -> None:
    endpoint = f"{blueprint.name}.unknown_route"

    def add(state: BlueprintSetupState) -> None:
        for path in ("", "/", "/<path:rest>"):
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
