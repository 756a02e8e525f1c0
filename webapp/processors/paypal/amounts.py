"""Convert amounts to and from PayPal's decimal strings, without rounding."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from webapp.domain.shared.money import CENT, MICROS, PAYMENT_PLACES, decimal_text

WHOLE = ("HUF", "JPY", "TWD")
"""Currencies for which PayPal accepts no decimals, even if the currency has some."""


def written(micros: int, currency: str) -> dict[str, str] | None:
    """The amount as PayPal's JSON; None if PayPal cannot represent it exactly."""
    unit, places = (MICROS, 0) if currency in WHOLE else (CENT, PAYMENT_PLACES)
    if micros <= 0 or micros % unit:
        return None
    value = decimal_text(micros, PAYMENT_PLACES) if places else str(micros // MICROS)
    return {"currency_code": currency, "value": value}


def read(money: Mapping[str, Any]) -> tuple[int, str]:
    """Micros and currency. Raises `ValueError` for an invalid amount or one finer than a micro."""
    try:
        micros = Decimal(str(money["value"])) * MICROS
        exact = int(micros)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"not an amount: {money!r}") from error
    if exact != micros:
        raise ValueError(f"finer than a micro: {money!r}")
    return exact, str(money["currency_code"])
