"""One blueprint for each noun of the machine interface; all of them answer with problems."""

from flask import Blueprint

from webapp.api.http import problems, rate_limits
from webapp.extensions import csrf

PREFIX = "/api/v1"


def noun(name: str) -> Blueprint:
    blueprint = Blueprint(f"api_v1_{name}", __name__, url_prefix=PREFIX)
    csrf.exempt(blueprint)  # a key in a header cannot be sent along by a browser unasked
    problems.init_blueprint(blueprint)
    rate_limits.init_blueprint(blueprint)
    return blueprint
