"""Amounts as integers in micros, millionths of the currency's unit (L1).

Usage may have six decimals, as telephony rates do. Payments, thresholds and limits are whole
minor units, such as cents. Balances are compared exactly and shown rounded down to the minor unit.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from re import Pattern, escape
from re import compile as pattern
from typing import NewType

from babel.numbers import (
    format_currency,
    format_decimal,
    get_currency_symbol,
    get_decimal_symbol,
    get_group_symbol,
)

from webapp import currencies
from webapp.currencies import minor_unit, places

MICROS = currencies.MICROS
CENT = MICROS // 100

USAGE_PLACES = 6
PAYMENT_PLACES = 2
"""Most decimals of any supported currency; `decimals_fault` checks those of one currency."""

# Far above any real amount, and small enough that sums fit into 64 bits.
LARGEST = 1_000_000_000 * MICROS

DecimalText = NewType("DecimalText", str)
"""An exact decimal string, with at least two decimals: "-0.0423"."""

_DECIMAL = pattern(r"(?a:(\d{1,40})(?:\.(\d{1,40}))?)")

_CODE_BEFORE_DIGIT = pattern(r"([A-Z]{3})(?=[0-9])")
"""A currency without a symbol, which Babel does not set apart from its amount: "CHF4.11"."""


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
    if fraction[places:].strip("0"):  # trailing zeros are not decimals
        raise BadAmount(f"At most {places} decimals")
    micros = int(units + fraction[:USAGE_PLACES].ljust(USAGE_PLACES, "0"))
    if micros == 0 and not allows_zero:
        raise BadAmount("Must be above zero")
    if largest is not None and micros > largest:
        raise BadAmount("That amount is too large")
    return micros


def parse_signed(text: object) -> int:
    """Parse a decimal string with up to six decimals, and "-" below zero. Raises `BadAmount`."""
    is_debit = isinstance(text, str) and text.startswith("-")
    micros = parse(text[1:] if is_debit and isinstance(text, str) else text, USAGE_PLACES)
    return -micros if is_debit else micros


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


def round_up(micros: int, currency: str) -> int:
    """Round up to whole minor units of the currency."""
    unit = minor_unit(currency)
    return -(-micros // unit) * unit


def round_down(micros: int, currency: str) -> int:
    """Round down to whole minor units of the currency."""
    unit = minor_unit(currency)
    return micros // unit * unit


def decimals_fault(micros: int, currency: str) -> str:
    """Return an error unless the amount is in whole minor units, as payments are; else empty."""
    if micros % minor_unit(currency) == 0:
        return ""
    most = places(currency)
    return f"At most {most} decimals" if most else f"{currency} has no decimals"


def decimal_text(micros: int, places: int = USAGE_PLACES) -> DecimalText:
    """Return the exact decimal string, with at least two and at most `places` decimals."""
    sign = "-" if micros < 0 else ""
    units, fraction = divmod(abs(micros), MICROS)
    digits = f"{fraction:06d}"[:places].rstrip("0").ljust(PAYMENT_PLACES, "0")
    return DecimalText(f"{sign}{units}.{digits}")


@lru_cache(maxsize=4096)
def show(micros: int, currency: str, locale: str = "en_US") -> str:
    """Format for people: rounded down to the minor unit, in the locale's format."""
    amount = Decimal(micros // minor_unit(currency)).scaleb(-places(currency))
    text = format_currency(amount, currency, locale=locale).replace("-", "−")
    return _CODE_BEFORE_DIGIT.sub("\\1\N{NO-BREAK SPACE}", text)


@lru_cache(maxsize=64)
def symbol(currency: str, locale: str = "en_US") -> str:
    return get_currency_symbol(currency, locale=locale)


@dataclass(frozen=True)
class AmountFormat:
    """The currency and number format in which an account's amounts are shown and entered."""

    currency: str
    locale: str

    def show(self, micros: int) -> str:
        """Format for people, rounded down: "1.234,56 €"."""
        return show(micros, self.currency, self.locale)

    def exact(self, micros: int) -> str:
        """Format for people with all decimals, without the currency: "0,0423"."""
        decimals = "0" * places(self.currency)
        most = "#" * (USAGE_PLACES - len(decimals))
        digits = f"#,##0.{decimals}{most}"
        number = Decimal(micros).scaleb(-USAGE_PLACES)
        return format_decimal(number, digits, self.locale).replace("-", "−")

    def whole(self, units: int) -> str:
        """Format whole units for people: "1.235 €"."""
        shown = show(abs(units) * MICROS, self.currency, self.locale)
        tail = f"{self.decimal_mark}{'0' * places(self.currency)}"
        return f"{'−' if units < 0 else ''}{shown.replace(tail, '') if len(tail) > 1 else shown}"

    def field(self, micros: int | None) -> str:
        """Return the value of a form field: "1234,56"; empty for None."""
        if micros is None:
            return ""
        units, _, fraction = decimal_text(micros, PAYMENT_PLACES).partition(".")
        return f"{units}{self.decimal_mark}{fraction}" if places(self.currency) else units

    def read(self, text: str) -> int | None:
        """Parse the text of a form field; None if it is empty.

        The text is in the account's number format, or has a full stop before its decimals. Raises
        `BadAmount`, also for a text that can be read in two ways, such as "1.000".
        """
        most = places(self.currency)
        decimal = self.decimal(text, most)
        return parse(decimal, most) if decimal else None

    def decimal(self, text: str, most: int) -> str:
        """Convert the text of a form field to a decimal string; empty if it is empty.

        `most` is the maximum of decimals. Raises `BadAmount` like `read`.
        """
        text = text.translate(_TYPED).strip()
        if not text:
            return ""
        if self._is_ambiguous(text, most):
            raise BadAmount(self._readings(text, most))
        plain, grouped = _patterns(self.locale)
        found = grouped.fullmatch(text) or plain.fullmatch(text)
        if found is None:
            raise BadAmount(self._why_none(text))
        units, fraction = found.groups("")
        if not most and fraction.strip("0"):
            raise BadAmount(f"{self.currency} has no decimals")
        digits = "".join(filter(str.isdigit, units))
        return f"{digits}.{fraction}" if fraction else digits

    def exact_field(self, micros: int) -> str:
        """Return the value of a form field that takes six decimals: "1234,50"; see `read_exact`."""
        units, _, fraction = decimal_text(micros).partition(".")
        if not places(self.currency) and not fraction.strip("0"):
            return units
        return f"{units}{self.decimal_mark}{fraction}"

    def read_exact(self, text: str) -> int:
        """Parse the text of a form field that takes zero and six decimals; an empty one is zero.

        Raises `BadAmount`.
        """
        if text.strip().startswith(("-", "−")):
            raise BadAmount("Must be zero or above")
        decimal = self.decimal(text, USAGE_PLACES)
        return parse(decimal, USAGE_PLACES, allows_zero=True) if decimal else 0

    @property
    def example(self) -> str:
        """An amount as a person may enter it: "50,00"."""
        return self.field(50_00 * minor_unit(self.currency))

    @property
    def symbol(self) -> str:
        return symbol(self.currency, self.locale)

    @property
    def decimal_mark(self) -> str:
        return get_decimal_symbol(self.locale)

    @property
    def for_script(self) -> dict[str, object]:
        """The format as data for `static/js/amounts.js`."""
        zero = self.show(0)
        start, end = zero.index("0"), zero.rindex("0") + 1
        return {
            "places": places(self.currency),
            "decimal": self.decimal_mark,
            "group": get_group_symbol(self.locale),
            "before": zero[:start],
            "after": zero[end:],
        }

    def _is_ambiguous(self, text: str, most: int) -> bool:
        """Return whether a mark before three digits may separate decimals or thousands."""
        found = _THOUSANDS.fullmatch(text)
        decimal, group = separators(self.locale)
        if found is None or found[2] not in (".", decimal):
            return False
        if found[2] == group:
            return most > 0
        return most < len(found[3])

    def _readings(self, text: str, most: int) -> str:
        units, _, fraction = _THOUSANDS.fullmatch(text).groups()  # type: ignore[union-attr]
        if fraction[most:].strip("0"):
            return f"At most {most} decimals. For {units}{fraction}, leave out the separator"
        decimals = f"{self.decimal_mark}{fraction[:most]}" if most else ""
        return f"Enter {units}{fraction} or {units}{decimals}: {text} can mean both"

    def _why_none(self, text: str) -> str:
        plain, grouped = _patterns(self.locale)
        if text.startswith(("-", "−")) and (
            plain.fullmatch(text[1:]) or grouped.fullmatch(text[1:])
        ):
            return "Must be above zero"
        return f"Enter an amount such as {self.example}"


_THOUSANDS = pattern(r"([1-9][0-9]{0,2})([.,])([0-9]{3})")

_TYPED = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "’": "'"})
"""Characters of number formats that keyboards lack, and what people type instead."""


@lru_cache(maxsize=64)
def separators(locale: str) -> tuple[str, str]:
    """Return the characters before decimals and between thousands, as people type them."""
    return get_decimal_symbol(locale).translate(_TYPED), get_group_symbol(locale).translate(_TYPED)


@lru_cache(maxsize=64)
def _patterns(locale: str) -> tuple[Pattern[str], Pattern[str]]:
    """Return the patterns of an amount without and with separators of thousands."""
    decimal, group = (escape(mark) for mark in separators(locale))
    return (
        pattern(rf"([0-9]{{1,40}})(?:[.{decimal}]([0-9]{{1,40}}))?"),
        pattern(rf"([0-9]{{1,3}}(?:{group}[0-9]{{3}})+)(?:{decimal}([0-9]{{1,40}}))?"),
    )
