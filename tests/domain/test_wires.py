"""Wire transfers: references as people type them, rates, file names and bank details."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.shared.money import BadAmount
from webapp.domain.wires import proofs
from webapp.domain.wires.bank_details import BankDetails
from webapp.domain.wires.wire import (
    ALPHABET,
    CHECKED,
    parse_rate,
    rate_text,
    read_reference,
    written,
)

characters = st.text(ALPHABET, min_size=CHECKED, max_size=CHECKED)


@given(characters)
def test_a_reference_is_parsed_in_any_notation(body):
    reference = written(body)
    bare = reference.removeprefix("WT-")
    for typed in (
        reference,
        reference.lower(),
        reference.replace("-", ""),
        reference.replace("-", " "),
        f"  {reference} ",
        bare,
        bare.replace("-", ""),
    ):
        assert read_reference(typed) == reference


@given(characters, st.integers(0, CHECKED), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_detected(body, place, other):
    reference = written(body)
    whole = reference.removeprefix("WT-").replace("-", "")
    wrong = whole[:place] + other + whole[place + 1 :]
    assert (read_reference(wrong) == reference) is (wrong == whole)
    assert wrong == whole or read_reference(wrong) is None


@given(characters)
def test_two_swapped_characters_are_detected(body):
    whole = written(body).removeprefix("WT-").replace("-", "")
    for left, right in pairwise(range(len(whole))):
        swapped = whole[:left] + whole[right] + whole[left] + whole[right + 1 :]
        assert swapped == whole or read_reference(swapped) is None


@pytest.mark.parametrize("typed", ["", "WT-", "17", "WT-CDFG-HJK", "WT-0OIL-2Z5S", "ŴT-CDFG-HJKX"])
def test_an_invalid_reference_is_refused(typed):
    assert read_reference(typed) is None


def test_references_use_no_ambiguous_characters():
    assert not set("0O1IL2Z5S8BUVAEY") & set(ALPHABET)
    assert len(set(ALPHABET)) == 19


@pytest.mark.parametrize(
    ("typed", "text"), [("1.0842", "1.0842"), ("1.10", "1.1"), ("2", "2"), ("0.00001234", None)]
)
def test_a_rate_is_an_exact_decimal(typed, text):
    assert rate_text(parse_rate(typed)) == (text or typed)
    assert parse_rate(typed) == Decimal(typed)


@pytest.mark.parametrize("typed", ["", "0", "0.000", "-1", "1e2", "1,08", "٣", "1.123456789", "x"])
def test_an_invalid_rate_is_refused(typed):
    with pytest.raises(BadAmount):
        parse_rate(typed)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("transfer.pdf", "transfer.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\transfer.pdf", "transfer.pdf"),
        ("/", "proof"),
        ("..", "proof"),
        ("", "proof"),
        ("a\r\nb\x00c.pdf", "a b c.pdf"),
        ("a\u202efdp.exe", "a fdp.exe"),
        ("x" * 500, "x" * 120),
        ("<b>.png", "<b>.png"),
    ],
)
def test_a_file_name_is_cleaned_of_paths_and_control_characters(given_name, kept):
    assert proofs.clean_name(given_name) == kept


def test_sizes_are_shown_in_kb_and_mb():
    sizes = [proofs.size_text(size) for size in (1, 320 * 1024, 1_468_006)]
    assert sizes == ["1 KB", "320 KB", "1.4 MB"]


def test_each_currency_has_its_own_bank_details():
    both = BankDetails("Pier Ltd", iban="IE29", bic="AIBK", account="123", routing="021")
    assert [name for name, _ in both.lines("USD")] == [
        "Beneficiary",
        "Account number",
        "Routing number",
        "BIC",
    ]
    assert [name for name, _ in both.lines("EUR")] == ["Beneficiary", "IBAN", "BIC"]
    abroad = BankDetails("Pier Ltd", iban="IE29", bank="Pier Bank", address="1 Quay")
    assert [name for name, _ in abroad.lines("USD")] == ["Beneficiary", "Address", "IBAN", "Bank"]
    at_home = BankDetails("Pier Inc", account="123", routing="021")
    assert [name for name, _ in at_home.lines("EUR")] == [
        "Beneficiary",
        "Account number",
        "Routing number",
    ]
