"""Amounts as integers in micros, millionths of the currency's unit (L1).

Usage may have six decimals, as telephony rates do. Payments, thresholds and limits are whole
cents. Balances are compared exactly and shown rounded down to the cent.
"""

from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from re import compile as pattern
from typing import NewType

from babel.numbers import format_currency, get_currency_symbol

MICROS = 1_000_000
CENT = MICROS // 100

USAGE_PLACES = 6
PAYMENT_PLACES = 2

# Far above any real amount, and small enough that sums fit into 64 bits.
LARGEST = 1_000_000_000 * MICROS

DecimalText = NewType("DecimalText", str)
"""An exact decimal string, with at least two decimals: "-0.0423"."""

_DECIMAL = pattern(r"(?a:(\d{1,40})(?:\.(\d{1,40}))?)")
_GROUPED = pattern(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
"""An amount with thousands separators, such as "1,000.00"."""


class BadAmount(ValueError):
    """The text is not a valid amount. `str()` is a sentence for the person who entered it."""


def parse(
    text: object,
    places: int = PAYMENT_PLACES,
    largest: int | None = LARGEST,
    *,
    allows_zero: bool = False,
) -> int:
    """Parse a decimal string such as "12.34" into micros: positive, at most `places` decimals.

    `largest` is None if the caller checks the bound itself. Raises `BadAmount`.
    """
    match = _DECIMAL.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise BadAmount(_why_none(text))
    units, fraction = match.groups("")
    # Trailing zeros do not count as decimals, except in payments, where "1.000" can mean 1000.
    if len(fraction) > places and (places < USAGE_PLACES or fraction[places:].strip("0")):
        raise BadAmount(f"At most {places} decimals")
    micros = int(units + fraction[:USAGE_PLACES].ljust(USAGE_PLACES, "0"))
    if micros == 0 and not allows_zero:
        raise BadAmount("Must be above zero")
    if largest is not None and micros > largest:
        raise BadAmount("That amount is too large")
    return micros


def _why_none(text: object) -> str:
    """Return the error for a text that is not a decimal string."""
    if not isinstance(text, str):
        return 'An amount is a decimal string, such as "12.34"'
    text = text.strip()
    if not text:
        return "Enter an amount"
    if text.startswith(("-", "−")) and _DECIMAL.fullmatch(text[1:]):
        return "Must be above zero"
    return "Enter an amount such as 50.00"


def cents_up(micros: int) -> int:
    """Round up to whole cents."""
    return -(-micros // CENT) * CENT


def cents_down(micros: int) -> int:
    """Round down to whole cents."""
    return micros // CENT * CENT


def decimal_text(micros: int, places: int = USAGE_PLACES) -> DecimalText:
    """Return the exact decimal string, with at least two and at most `places` decimals."""
    sign = "-" if micros < 0 else ""
    units, fraction = divmod(abs(micros), MICROS)
    digits = f"{fraction:06d}"[:places].rstrip("0").ljust(PAYMENT_PLACES, "0")
    return DecimalText(f"{sign}{units}.{digits}")


def field_text(micros: int | None) -> str:
    """Return the value for a form field; empty for None."""
    return "" if micros is None else decimal_text(micros, PAYMENT_PLACES)


def read_field(text: str) -> int | None:
    """Parse the text of a form field; None if it is empty. Raises `BadAmount`."""
    text = text.strip()
    if not text:
        return None
    return parse(text.replace(",", "") if _GROUPED.fullmatch(text) else text)


@lru_cache(maxsize=4096)
def show(micros: int, currency: str, locale: str = "en_US") -> str:
    """Format for people: rounded down to the cent, in the locale's format, with a true minus."""
    cents = Decimal(micros // CENT).scaleb(-PAYMENT_PLACES).quantize(Decimal("0.01"), ROUND_FLOOR)
    return format_currency(cents, currency, locale=locale).replace("-", "−")


@lru_cache(maxsize=64)
def symbol(currency: str, locale: str = "en_US") -> str:
    return get_currency_symbol(currency, locale=locale)
