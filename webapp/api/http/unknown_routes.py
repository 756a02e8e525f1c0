"""Paths and methods that the machine interface does not have.

A path without a route belongs to no blueprint, so its 404 would be a page for people. A route that
takes whatever the others leave puts it before the blueprint's own error handler.
"""

from typing import NoReturn

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import MethodNotAllowed, NotFound

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def init_blueprint(blueprint: Blueprint) -> None:
    endpoint = f"{blueprint.name}.nowhere"

    def add(state: BlueprintSetupState) -> None:
        for path in ("", "/", "/<path:rest>"):
            # Not by `route`: only a rule without methods takes every method.
            rule = state.app.url_rule_class(f"{state.url_prefix}{path}", endpoint=endpoint)
            state.app.url_map.add(rule)
        state.app.view_functions[endpoint] = nowhere

    blueprint.record(add)


def nowhere(rest: str = "") -> NoReturn:
    adapter = current_app.create_url_adapter(request)
    taken = [m for m in METHODS if adapter and adapter.match(method=m)[0] != request.endpoint]
    if taken:
        raise MethodNotAllowed(taken, f"This address takes {', '.join(taken)}.")
    raise NotFound("There is no such address here.")
