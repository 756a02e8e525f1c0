"""L1: amounts are integers, parsed strictly, compared exactly and shown rounded down."""

from decimal import Decimal
from re import fullmatch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp import currencies
from webapp.domain.shared.money import (
    CENT,
    LARGEST,
    MICROS,
    PAYMENT_PLACES,
    USAGE_PLACES,
    BadAmount,
    decimal_text,
    decimals_fault,
    parse,
    round_down,
    round_up,
    show,
)

ABOVE_ZERO = st.integers(1, LARGEST)
CURRENCIES = st.sampled_from([*currencies.DECIMALS])
ANY = st.integers(-LARGEST, LARGEST)


@given(ABOVE_ZERO)
def test_formatting_and_parsing_are_inverse_l1(micros):
    """L1: usage has up to six decimals, all of which are kept."""
    assert parse(decimal_text(micros), USAGE_PLACES) == micros


@given(ANY)
def test_the_decimal_text_is_exact_l1(micros):
    """L1: without floats."""
    text = decimal_text(micros)
    assert Decimal(text) == Decimal(micros) / MICROS
    assert fullmatch(r"-?\d+\.\d{2,6}", text)


@given(ANY)
@example(-4_115_000)
@example(-1)
def test_amounts_are_shown_rounded_down_to_the_cent_l1(micros):
    """L1: a balance never looks higher than it is, even below zero."""
    shown = show(micros, "USD")
    value = Decimal(shown.replace("−", "-").replace("$", "").replace(",", ""))
    assert value <= Decimal(micros) / MICROS < value + Decimal("0.01")
    assert "-" not in shown, "a true minus sign"


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (-4_115_000, "−$4.12"),
        (-1, "−$0.01"),
        (0, "$0.00"),
        (9_999, "$0.00"),
        (4_115_000, "$4.11"),
        (4_119_999, "$4.11"),
        (1_234_567_891_234, "$1,234,567.89"),
    ],
)
def test_amounts_are_formatted_l1(micros, shown):
    assert show(micros, "USD") == shown


def test_amounts_use_the_locales_format_l1():
    assert show(1_234_560_000, "EUR", "de_DE") == "1.234,56\xa0€"


@given(ANY, CURRENCIES)
def test_rounding_to_minor_units_is_exact_l1(micros, currency):
    """L1: a charge is rounded up, and the rest of a limit is rounded down."""
    unit = MICROS if currency == "JPY" else CENT
    up, down = round_up(micros, currency), round_down(micros, currency)
    assert up % unit == down % unit == 0
    assert down <= micros <= up
    assert up - micros < unit
    assert micros - down < unit
    assert (up == micros) == (down == micros) == (not decimals_fault(micros, currency))


@pytest.mark.parametrize(
    ("micros", "currency", "locale", "shown"),
    [
        (-1, "JPY", "en_US", "−¥1"),
        (3_499_999_999, "JPY", "en_US", "¥3,499"),
        (3_499_999_999, "JPY", "de_DE", "3.499\xa0¥"),
        (4_119_999, "SEK", "sv_SE", "4,11\xa0kr"),
        (4_119_999, "CHF", "en_US", "CHF\xa04.11"),
    ],
)
def test_amounts_are_shown_in_the_currencys_minor_unit_l1(micros, currency, locale, shown):
    assert show(micros, currency, locale) == shown


BAD = [
    "", " ", "0", "0.00", "-0", "-5", "−5", "+5", ".5", "5.", "1e3", "1E3", "NaN", "Infinity",
    "inf", "٣", "１２", "²", "1,000", "1.000,00", "1 000", "1_000", "$5", "5 USD", "0x10", "1.2.3",
    "--5", "12.34\x00", "1\x0734", "12\n34",
    "1\u200b2", "\ud800", "9" * 16, "1" * 5000, "1." + "1" * 5000,
    "1000000000.01", "null", "None", "=1+1",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("places", [PAYMENT_PLACES, USAGE_PLACES])
def test_invalid_amounts_are_refused_l1(text, places):
    with pytest.raises(BadAmount) as refused:
        parse(text, places)
    assert str(refused.value), "the error must have a sentence"


@pytest.mark.parametrize("value", [None, 5, 5.0, float("nan"), True, Decimal(5), b"5", ["5"], {}])
def test_values_other_than_text_are_refused_l1(value):
    """L1: a float is never accepted as an amount."""
    with pytest.raises(BadAmount):
        parse(value, USAGE_PLACES)


@pytest.mark.parametrize("text", ["0.0075000000", "0.0075", "0.007500" + "0" * 34])
def test_trailing_zeros_are_not_decimals_l1(text):
    """L1: because programs may send their database's full scale."""
    assert parse(text, USAGE_PLACES) == 7_500
    assert parse("1.000") == MICROS


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("1.234", 2),
        ("0.001", 2),
        ("1.00000010", 6),
        ("1.2345678", 6),
        ("0.0000001", 6),
    ],
)
def test_too_many_decimals_are_refused_l1(text, places):
    with pytest.raises(BadAmount, match=f"At most {places} decimals"):
        parse(text, places)


@given(st.text(), st.sampled_from([PAYMENT_PLACES, USAGE_PLACES]))
def test_any_text_is_parsed_or_refused_l1(text, places):
    """L1: with no other exception, and accepted amounts are within bounds."""
    try:
        micros = parse(text, places)
    except BadAmount:
        pass
    else:
        assert 0 < micros <= LARGEST
        assert micros % 10 ** (6 - places) == 0
        assert Decimal(text.strip()) * MICROS == micros


@given(st.one_of(st.none(), st.floats(), st.integers(), st.binary(), st.lists(st.text())))
def test_any_other_value_is_refused_l1(value):
    with pytest.raises(BadAmount):
        parse(value)


def test_spaces_around_an_amount_are_ignored_l1():
    assert parse(" 50.00 ") == 50 * MICROS
