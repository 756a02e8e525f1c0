"""The HTTP API: one module per resource; each endpoint carries its own OpenAPI description."""

from flask import Flask

from webapp.api import (
    accounts,
    adjustments,
    balance,
    events,
    holds,
    low_balance,
    payment_methods,
    payments,
    sandbox,
    statement,
    unknown,
    usage,
    usage_reversals,
    v3,
    webhook_endpoints,
)
from webapp.api.http.rate_limits import RATES, Rates
from webapp.api.reference import page

RESOURCES = tuple(
    module.resource
    for module in (
        accounts,
        adjustments,
        usage,
        usage_reversals,
        balance,
        holds,
        payment_methods,
        low_balance,
        payments,
        statement,
        webhook_endpoints,
        events,
        sandbox,
    )
)
OPERATIONS = tuple(operation for resource in RESOURCES for operation in resource.operations)


def register(app: Flask) -> None:
    app.extensions[RATES] = Rates()
    app.extensions[page.OPERATIONS] = OPERATIONS
    resources = (it.blueprint for it in RESOURCES)
    for blueprint in (*resources, v3.blueprint, page.blueprint, unknown.blueprint):
        app.register_blueprint(blueprint)
