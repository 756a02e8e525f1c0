"""Amounts are integers in micros: millionths of the currency's unit (L1).

Telephony rates have four to six decimals, so usage may have six; payments, thresholds and limits
are whole cents. A balance is compared exactly and shown rounded down to the cent.
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

# Far above any sane amount and far below where a sum of them would leave 64 bits.
LARGEST = 1_000_000_000 * MICROS

DecimalText = NewType("DecimalText", str)
"""An exact decimal string, with at least two decimals: "-0.0423"."""

_DECIMAL = pattern(r"(?a:(\d{1,40})(?:\.(\d{1,40}))?)")


class BadAmount(ValueError):
    """The text is no amount; str() is a sentence for the person who wrote it."""


def parse(text: object, places: int = PAYMENT_PLACES, largest: int | None = LARGEST) -> int:
    """The micros of a decimal string such as "12.34", above zero, with at most `places` decimals.

    `largest`: None where the caller has a bound of its own. Raises `BadAmount`.
    """
    match = _DECIMAL.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise BadAmount(_why_none(text))
    units, fraction = match.groups("")
    # Trailing zeros are not decimals; but "1.000" of a payment can mean a thousand.
    if len(fraction) > places and (places < USAGE_PLACES or fraction[places:].strip("0")):
        raise BadAmount(f"At most {places} decimals")
    micros = int(units + fraction[:USAGE_PLACES].ljust(USAGE_PLACES, "0"))
    if micros == 0:
        raise BadAmount("Must be above zero")
    if largest is not None and micros > largest:
        raise BadAmount("That amount is too large")
    return micros


def _why_none(text: object) -> str:
    """What is no decimal string at all."""
    if not isinstance(text, str):
        return 'An amount is a decimal string, such as "12.34"'
    text = text.strip()
    if not text:
        return "Enter an amount"
    if text.startswith(("-", "−")) and _DECIMAL.fullmatch(text[1:]):
        return "Must be above zero"
    return "Enter an amount such as 50.00"


def cents_up(micros: int) -> int:
    """Rounded up to the whole cent, as a charge must be."""
    return -(-micros // CENT) * CENT


def cents_down(micros: int) -> int:
    return micros // CENT * CENT


def decimal_text(micros: int, places: int = USAGE_PLACES) -> DecimalText:
    """The exact decimal string: at least two decimals, at most `places`."""
    sign = "-" if micros < 0 else ""
    units, fraction = divmod(abs(micros), MICROS)
    digits = f"{fraction:06d}"[:places].rstrip("0").ljust(PAYMENT_PLACES, "0")
    return DecimalText(f"{sign}{units}.{digits}")


def field_text(micros: int | None) -> str:
    """As it stands in a form's field."""
    return "" if micros is None else decimal_text(micros, PAYMENT_PLACES)


@lru_cache(maxsize=4096)
def show(micros: int, currency: str, locale: str = "en_US") -> str:
    """For people: rounded down to the cent, in the locale's format, with a true minus sign."""
    cents = Decimal(micros // CENT).scaleb(-PAYMENT_PLACES).quantize(Decimal("0.01"), ROUND_FLOOR)
    return format_currency(cents, currency, locale=locale).replace("-", "−")


@lru_cache(maxsize=64)
def symbol(currency: str, locale: str = "en_US") -> str:
    return get_currency_symbol(currency, locale=locale)
