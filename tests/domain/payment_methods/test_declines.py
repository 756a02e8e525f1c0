"""Decline reasons for customers, and the class of each code."""

import csv

import pytest

from webapp.domain.payment_methods.declines import (
    BANK,
    BLOCKED_BY_PROCESSOR,
    CALL_BANK,
    METHOD_GONE,
    REASONS,
    class_of,
    reason,
)
from webapp.ports import DeclineClass
from webapp.settings import ROOT

REFERENCE = ROOT.parent / "shared" / "data" / "decline_codes.csv"

CLASSES = {
    DeclineClass.SOFT: {
        "insufficient_funds", "card_velocity_exceeded", "withdrawal_count_limit_exceeded",
        "processing_error", "issuer_not_available", "try_again_later", "reenter_transaction",
        "approve_with_id", "generic_decline", "do_not_honor", "call_issuer", "no_action_taken",
        "not_permitted", "service_not_allowed",
    },
    DeclineClass.CUSTOMER: {
        "authentication_required", "expired_card", "incorrect_cvc", "invalid_cvc",
        "invalid_expiry_month", "invalid_expiry_year",
    },
    DeclineClass.HARD: {
        "incorrect_number", "invalid_number", "invalid_account",
        "new_account_information_available", "lost_card", "stolen_card", "pickup_card",
        "restricted_card", "fraudulent", "merchant_blacklist", "security_violation",
        "revocation_of_authorization", "revocation_of_all_authorizations", "stop_payment_order",
        "transaction_not_allowed", "card_not_supported", "currency_not_supported",
        "highest_risk_level",
    },
}  # fmt: skip
EVERY_CODE = [(code, kind) for kind, codes in CLASSES.items() for code in sorted(codes)]


@pytest.mark.parametrize(("code", "expected"), EVERY_CODE)
def test_each_code_has_its_class(code, expected):
    """F3: networks forbid repeating hard declines."""
    assert class_of(code) is expected


def test_an_unknown_code_is_a_soft_decline():
    """F2"""
    assert class_of("invented_tomorrow") is DeclineClass.SOFT
    assert reason("invented_tomorrow") is BANK
    assert reason(None) is BANK


@pytest.mark.parametrize("code", [code for code, _ in EVERY_CODE])
def test_no_raw_code_is_shown(code):
    """F2: a plain sentence and advice."""
    explanation = reason(code)

    for text in (explanation.sentence, explanation.advice):
        assert text
        assert "_" not in text
        assert "!" not in text
        assert code not in text.lower()
    assert explanation.sentence[0].isupper()
    assert not explanation.sentence.endswith(".")
    assert explanation.advice.endswith(".")


@pytest.mark.parametrize(
    "code",
    ["lost_card", "stolen_card", "pickup_card", "fraudulent", "highest_risk_level"],
)
def test_stolen_and_fraud_codes_show_only_call_your_bank(code):
    """F12: the bank declined the payment and should be called."""
    assert reason(code) is CALL_BANK
    text = f"{CALL_BANK.sentence} {CALL_BANK.advice}".lower()
    assert "call your bank" in text
    assert not {"lost", "stolen", "fraud", "risk"} & set(text.replace(";", " ").split())


def test_every_reason_belongs_to_a_known_code():
    assert set(REASONS) - {METHOD_GONE, BLOCKED_BY_PROCESSOR} <= {code for code, _ in EVERY_CODE}


def test_the_classes_match_the_reference():
    """F3: the published table, if it is available."""
    if not REFERENCE.exists():
        pytest.skip("the reference data (decline_codes.csv) is not on this machine")

    with REFERENCE.open() as file:
        published = {
            row["decline_code"]: row["class"]
            for row in csv.DictReader(file)
            if row["class"] != "not a decline"
        }

    assert published == {code: str(kind) for code, kind in EVERY_CODE}
    assert published == {code: str(class_of(code)) for code in published}
