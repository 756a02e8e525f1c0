"""Currencies of accounts (L1): minor units, reasons against others, and bounds of amounts.

Amounts are integers in micros, millionths of the currency's unit. Payments, thresholds and limits
are whole minor units, such as cents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

MICROS = 1_000_000

DECIMALS: Mapping[str, int] = {
    "USD": 2,
    "EUR": 2,
    "GBP": 2,
    "CHF": 2,
    "CAD": 2,
    "AUD": 2,
    "PLN": 2,
    "SEK": 2,
    "JPY": 0,
}
"""Decimals of each supported currency (ISO 4217)."""

_THREE_DECIMALS = "has three decimals, which payment processors round"
_WRITTEN_WITH_TWO = "has no decimals, but a processor takes its amounts with two"
_WRITTEN_WITH_NONE = "has two decimals, but a processor takes none"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), _THREE_DECIMALS),
    **dict.fromkeys(("ISK", "UGX"), _WRITTEN_WITH_TWO),
    **dict.fromkeys(("HUF", "TWD"), _WRITTEN_WITH_NONE),
}
"""Why a currency cannot be supported: the processors' amounts would not be exact."""


def fault(currency: str) -> str:
    """Return why no account can have this currency; empty if one can."""
    if currency in DECIMALS:
        return ""
    if reason := REFUSED.get(currency):
        return f"{currency} is not supported: it {reason}"
    return f"use one of {', '.join(DECIMALS)}"


def places(currency: str) -> int:
    """Return the number of decimals; 2 for a currency that is not supported."""
    return DECIMALS.get(currency, 2)


@cache
def minor_unit(currency: str) -> int:
    """Return the minor unit in micros: 10,000 for cents, 1,000,000 for yen."""
    return int(MICROS // 10 ** places(currency))


@dataclass(frozen=True)
class Bounds:
    """The operator's bounds of amounts in one currency, in micros."""

    currency: str
    payment_min: int
    payment_max: int
    usage_max: int
    """Largest usage record that is accepted (L14)."""
    threshold_advice: int
    """Recommended minimum of the refill threshold (T12)."""

    @classmethod
    def default(cls, currency: str) -> Self:
        """Return the bounds of an installation that sets none: 30.00 to 10,000.00 for cents."""
        unit = minor_unit(currency)
        return cls(currency, 30_00 * unit, 10_000_00 * unit, 1_000_00 * unit, 50_00 * unit)

    @property
    def minor_unit(self) -> int:
        return minor_unit(self.currency)

    def of(self, currency: str) -> Self:
        """Return bounds of as many minor units of another currency."""
        unit, own = minor_unit(currency), self.minor_unit
        amounts = {name: getattr(self, name) // own * unit for name in AMOUNTS}
        return replace(self, currency=currency, **amounts)


AMOUNTS = ("payment_min", "payment_max", "usage_max", "threshold_advice")
"""The amounts of `Bounds`, each of which the operator can set for each currency."""
