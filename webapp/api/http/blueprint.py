"""Blueprints of `/api/v1`, with problem responses and rate limits."""

from flask import Blueprint

from webapp.api.http import problems, rate_limits
from webapp.extensions import csrf

PREFIX = "/api/v1"


def api_blueprint(name: str) -> Blueprint:
    blueprint = Blueprint(f"api_v1_{name}", __name__, url_prefix=PREFIX)
    # A browser never adds the key header by itself, so CSRF does not apply.
    csrf.exempt(blueprint)
    problems.init_blueprint(blueprint)
    rate_limits.init_blueprint(blueprint)
    return blueprint
