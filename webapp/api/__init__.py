"""The HTTP API: one module per resource; each endpoint carries its own OpenAPI description."""

from flask import Flask

from webapp.api import (
    accounts,
    balance,
    holds,
    low_balance,
    payment_methods,
    payments,
    statement,
    usage,
    v3,
    webhook_endpoints,
)
from webapp.api.http import unknown_routes
from webapp.api.http.rate_limits import RATES, Rates
from webapp.api.reference import page

RESOURCES = tuple(
    module.resource
    for module in (
        accounts,
        usage,
        balance,
        holds,
        payment_methods,
        low_balance,
        payments,
        statement,
        webhook_endpoints,
    )
)
OPERATIONS = tuple(operation for resource in RESOURCES for operation in resource.operations)

unknown_routes.init_blueprint(usage.resource.blueprint)


def register(app: Flask) -> None:
    app.extensions[RATES] = Rates()
    app.extensions[page.OPERATIONS] = OPERATIONS
    for blueprint in (*(it.blueprint for it in RESOURCES), v3.blueprint, page.blueprint):
        app.register_blueprint(blueprint)
