"""Problems for paths under `/api` that do not exist."""

from flask import Blueprint

from webapp.api.http import problems, rate_limits, unknown_routes
from webapp.extensions import csrf

blueprint = Blueprint("api_unknown", __name__, url_prefix="/api")
csrf.exempt(blueprint)
problems.init_blueprint(blueprint)
rate_limits.init_blueprint(blueprint)
unknown_routes.init_blueprint(blueprint)
