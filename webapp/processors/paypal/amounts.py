"""Money as PayPal writes it: a decimal string, exact in both directions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from webapp.domain.shared.money import CENT, MICROS, PAYMENT_PLACES, decimal_text

WHOLE = ("HUF", "JPY", "TWD")
"""Currencies in which PayPal takes no decimals, whatever their own rules."""


def written(micros: int, currency: str) -> dict[str, str] | None:
    """None for what PayPal could not be asked for exactly."""
    unit, places = (MICROS, 0) if currency in WHOLE else (CENT, PAYMENT_PLACES)
    if micros <= 0 or micros % unit:
        return None
    value = decimal_text(micros, PAYMENT_PLACES) if places else str(micros // MICROS)
    return {"currency_code": currency, "value": value}


def read(money: Mapping[str, Any]) -> tuple[int, str]:
    """Micros and currency. Raises `ValueError` for what is no amount or finer than a micro."""
    try:
        micros = Decimal(str(money["value"])) * MICROS
        exact = int(micros)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"no amount: {money!r}") from error
    if exact != micros:
        raise ValueError(f"finer than a micro: {money!r}")
    return exact, str(money["currency_code"])
