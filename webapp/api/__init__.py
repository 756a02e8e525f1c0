"""The machine interface: one file for each noun, each endpoint with its own description."""

from flask import Flask

from webapp.api import (
    books,
    holds,
    low_balance,
    payment_methods,
    payments,
    reference,
    v1,
    v3,
    webhook_endpoints,
)
from webapp.api.rates import RATES, Rates

ROOMS = (v1, holds, payment_methods, low_balance, payments, books, webhook_endpoints, v3, reference)


def register(app: Flask) -> None:
    app.extensions[RATES] = Rates()
    for room in ROOMS:
        app.register_blueprint(room.blueprint)
