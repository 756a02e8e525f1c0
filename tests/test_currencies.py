"""L1: supported currencies have the minor units of ISO 4217; others are refused with a reason."""

import pytest
from babel.numbers import get_currency_precision

from webapp import currencies
from webapp.currencies import MICROS, Bounds
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.policy import Policy
from webapp.processors.paypal import amounts as paypal
from webapp.processors.stripe import mapping as stripe


@pytest.mark.parametrize("currency", currencies.DECIMALS)
def test_minor_units_are_those_of_the_currency_and_of_the_processors_l1(currency):
    """L1: otherwise a processor would take another amount than the one that is credited."""
    unit = currencies.minor_unit(currency)
    assert currencies.places(currency) == get_currency_precision(currency)
    assert unit * 10 ** currencies.places(currency) == MICROS
    assert stripe.smallest_unit(currency) == unit
    assert paypal.written(unit, currency) is not None
    assert paypal.written(unit // 2, currency) is None


@pytest.mark.parametrize(
    ("currency", "reason"),
    [
        ("KWD", "KWD is not supported: it has three decimals, which payment processors round"),
        (
            "ISK",
            "ISK is not supported: it has no decimals, but a processor takes its amounts with two",
        ),
        (
            "UGX",
            "UGX is not supported: it has no decimals, but a processor takes its amounts with two",
        ),
        ("HUF", "HUF is not supported: it has two decimals, but a processor takes none"),
        ("TWD", "TWD is not supported: it has two decimals, but a processor takes none"),
        ("GBP", "GBP is not offered: use one of USD, EUR, or set amounts of it"),
        ("XYZ", "Use one of USD, EUR"),
        ("eur", "Use one of USD, EUR"),
        ("USD", ""),
    ],
)
def test_other_currencies_are_refused_by_name_l1(currency, reason):
    policy = Policy({code: Bounds.default(code) for code in ("USD", "EUR")})
    assert policy.currency_fault(currency) == reason


def test_amounts_of_a_currency_without_bounds_are_refused_l1():
    """L1: rather than with the bounds of another currency."""
    with pytest.raises(Conflict):
        Policy().bounds("EUR")


def test_bounds_of_another_currency_have_as_many_minor_units():
    dollars = Bounds("USD", 30 * MICROS, 10_000 * MICROS, 1_000 * MICROS, 50 * MICROS)
    yen = Bounds("JPY", 3_000 * MICROS, 1_000_000 * MICROS, 100_000 * MICROS, 5_000 * MICROS)
    assert dollars.of("JPY") == yen
    assert yen.of("USD") == dollars
