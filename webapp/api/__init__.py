"""The machine interface: one file for each noun, each endpoint with its own description."""

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

ROOMS = (
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
    for room in ROOMS:
        app.register_blueprint(room.blueprint)
