"""The HTTP API: one module per resource; each endpoint carries its own OpenAPI description."""

from flask import Flask

from webapp.api import (
    holds,
    low_balance,
    payment_methods,
    payments,
    statement,
    v1,
    v3,
    webhook_endpoints,
)
from webapp.api.http.rate_limits import RATES, Rates
from webapp.api.reference import page

MODULES = (
    v1,
    holds,
    payment_methods,
    low_balance,
    payments,
    statement,
    webhook_endpoints,
    v3,
    page,
)


def register(app: Flask) -> None:
    app.extensions[RATES] = Rates()
    for module in MODULES:
        app.register_blueprint(module.blueprint)
