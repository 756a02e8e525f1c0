"""L1: amounts are accepted in the format in which they are shown, and never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp import currencies
from webapp.currencies import MICROS, minor_unit
from webapp.domain.notifications.settings import LOCALES
from webapp.domain.shared.money import LARGEST, USAGE_PLACES, AmountFormat, BadAmount, parse

FORMATS = st.builds(
    AmountFormat, st.sampled_from([*currencies.DECIMALS]), st.sampled_from([*LOCALES])
)
GERMAN, ENGLISH = AmountFormat("EUR", "de_DE"), AmountFormat("USD", "en_US")
FRENCH, SWISS = AmountFormat("EUR", "fr_FR"), AmountFormat("CHF", "de_CH")
YEN, GERMAN_YEN = AmountFormat("JPY", "en_US"), AmountFormat("JPY", "de_DE")
UNITS = st.integers(1, 10**11)


@given(FORMATS, UNITS)
def test_a_fields_text_is_read_as_the_amount_l1(amounts, units):
    micros = min(units * minor_unit(amounts.currency), LARGEST)
    assert amounts.read(amounts.field(micros)) == micros


@given(FORMATS, UNITS)
def test_an_amount_is_accepted_as_it_is_shown_l1(amounts, units):
    """L1: with its separators of thousands; the symbol is beside the field."""
    micros = min(units * minor_unit(amounts.currency), LARGEST)
    ends = amounts.for_script
    text = amounts.show(micros).removeprefix(ends["before"]).removesuffix(ends["after"])
    assert amounts.read(text) == micros


@given(FORMATS, st.integers(1, LARGEST))
def test_exact_amounts_have_all_decimals_l1(amounts, micros):
    text = amounts.exact(micros)
    units, _, decimals = text.partition(amounts.decimal_mark)
    digits = "".join(filter(str.isdigit, units))
    assert int(digits + decimals.ljust(USAGE_PLACES, "0")) == micros
    assert currencies.places(amounts.currency) <= len(decimals) <= USAGE_PLACES


@given(FORMATS, st.text("0123456789.,  '’", max_size=12))
def test_any_text_is_read_in_one_way_or_refused_l1(amounts, text):
    """L1: a text that is accepted has the same digits, and is in whole minor units."""
    try:
        micros = amounts.read(text)
    except BadAmount:
        return
    if micros is not None:
        assert micros % minor_unit(amounts.currency) == 0
        digits = "".join(filter(str.isdigit, text)).strip("0")
        assert str(micros).strip("0") == digits


@pytest.mark.parametrize(
    ("amounts", "text", "micros"),
    [
        (GERMAN, "1.234,56", 1_234_560_000),
        (GERMAN, "75,50", 75_500_000),
        (GERMAN, "75.50", 75_500_000),
        (GERMAN, "75,5", 75_500_000),
        (GERMAN, "1.000.000", 1_000_000_000_000),
        (GERMAN, "1000", 1_000_000_000),
        (GERMAN, "50,0000", 50_000_000),
        (GERMAN, "0,500", 500_000),
        (ENGLISH, "1,000", 1_000_000_000),
        (ENGLISH, " 1,234.56 ", 1_234_560_000),
        (FRENCH, "1 234,56", 1_234_560_000),
        (FRENCH, "1\u202f234,56", 1_234_560_000),
        (SWISS, "1'234.56", 1_234_560_000),
        (YEN, "3,000", 3_000_000_000),
        (YEN, "3000.00", 3_000_000_000),
        (GERMAN_YEN, "3.000", 3_000_000_000),
        (GERMAN, "", None),
    ],
)
def test_amounts_are_read_in_the_accounts_format_l1(amounts, text, micros):
    assert amounts.read(text) == micros


@pytest.mark.parametrize(
    ("amounts", "text", "error"),
    [
        (GERMAN, "1.000", "Enter 1000 or 1,00: 1.000 can mean both"),
        (GERMAN, "1,000", "Enter 1000 or 1,00: 1,000 can mean both"),
        (GERMAN, "1.500", "Enter 1500 or 1,50: 1.500 can mean both"),
        (GERMAN, "1.234", "At most 2 decimals. For 1234, leave out the separator"),
        (GERMAN, "12,3456", "At most 2 decimals"),
        (GERMAN, "1,234.56", "Enter an amount such as 50,00"),
        (GERMAN, "abc", "Enter an amount such as 50,00"),
        (GERMAN, "-5,00", "Must be above zero"),
        (GERMAN, "0,00", "Must be above zero"),
        (ENGLISH, "1.000", "Enter 1000 or 1.00: 1.000 can mean both"),
        (ENGLISH, "$50", "Enter an amount such as 50.00"),
        (ENGLISH, "75,50", "Enter an amount such as 50.00"),
        (ENGLISH, "1,00,000", "Enter an amount such as 50.00"),
        (FRENCH, "1,000", "Enter 1000 or 1,00: 1,000 can mean both"),
        (YEN, "3.000", "Enter 3000 or 3: 3.000 can mean both"),
        (GERMAN_YEN, "3,000", "Enter 3000 or 3: 3,000 can mean both"),
        (YEN, "50.5", "JPY has no decimals"),
        (YEN, "x", "Enter an amount such as 5000"),
    ],
)
def test_ambiguous_and_invalid_texts_are_refused_with_the_reason_l1(amounts, text, error):
    with pytest.raises(BadAmount) as refused:
        amounts.read(text)
    assert str(refused.value) == error


@pytest.mark.parametrize(
    ("amounts", "text", "micros"),
    [
        (ENGLISH, "1.125", 1_125_000),
        (GERMAN, "1,125", 1_125_000),
        (GERMAN, "0,0215", 21_500),
        (YEN, "0.0215", 21_500),
    ],
)
def test_usage_has_six_decimals_in_the_accounts_format_l1(amounts, text, micros):
    assert parse(amounts.decimal(text, USAGE_PLACES), USAGE_PLACES) == micros


def test_thousands_of_usage_are_not_guessed_l1():
    with pytest.raises(BadAmount, match=r"Enter 1125 or 1,125: 1\.125 can mean both"):
        GERMAN.decimal("1.125", USAGE_PLACES)


@pytest.mark.parametrize(
    ("amounts", "whole", "exact"),
    [
        (ENGLISH, "$1,500", "1,500.0215"),
        (GERMAN, "1.500\xa0€", "1.500,0215"),
        (SWISS, "CHF\xa01’500", "1’500.0215"),
        (YEN, "¥1,500", "1,500.0215"),
    ],
)
def test_whole_and_exact_amounts_are_in_the_accounts_format_l1(amounts, whole, exact):
    assert amounts.whole(1_500) == whole
    assert amounts.whole(-1_500) == f"−{whole}"
    assert amounts.exact(1_500 * MICROS + 21_500) == exact
