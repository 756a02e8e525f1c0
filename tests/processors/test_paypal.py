"""The PayPal adapter: the contract over HTTP against a strict stand-in, and PayPal's specifics."""

from datetime import timedelta

import pytest

from tests.processors.contract import (
    ACCOUNT,
    BACK,
    AgreementContract,
    ListingContract,
    charge_request,
)
from tests.processors.paypal import documents
from tests.processors.paypal.harness import OURS, serving
from webapp.domain.payment_methods.declines import REASONS
from webapp.domain.shared.money import MICROS
from webapp.ports import (
    Cancelled,
    CannotKeep,
    DeclineClass,
    Declined,
    MethodGone,
    NeedsCustomer,
    NotKnown,
    Paid,
    RequestRejected,
    SavedAgreement,
    Unknown,
    Verified,
)
from webapp.processors.paypal import amounts
from webapp.processors.paypal.declines import CODES


@pytest.fixture
def harness():
    with serving() as harness:
        yield harness


def test_requests_and_responses_are_validated_against_the_published_documents():
    if not documents.are_available():
        pytest.skip("PayPal's OpenAPI documents are not on this machine: shapes are not checked")
    sent = {"intent": "CAPTURE", "purchase_units": [{"amount": {"value": "1.00"}}]}

    complaint = documents.complaint_about_request("POST", "/v2/checkout/orders", {}, sent)

    assert "currency_code" in complaint


class TestPayPal(AgreementContract, ListingContract):
    pass


# Charging


def test_the_order_and_capture_contain_the_request_exactly(harness):
    """L1, L9: the amount, the attempt's key, and who initiated the payment."""
    reference = harness.paying()
    unattended = charge_request(reference, amount=1_234_560_000)
    attended = charge_request(reference, customer_present=True, return_to=BACK)

    harness.processor.charge(unattended)
    harness.processor.charge(attended)

    (first, second) = harness.sent("/v2/checkout/orders")
    unit = first["purchase_units"][0]
    assert unit["amount"] == {"currency_code": "USD", "value": "1234.56"}
    assert unit["custom_id"] == unit["invoice_id"] == unattended.key
    assert second["purchase_units"][0]["custom_id"] == attended.key
    wallets = [body["payment_source"]["paypal"] for body in harness.sent("/capture")]
    assert [wallet["vault_id"] for wallet in wallets] == [reference, reference]
    stored = [wallet["stored_credential"] for wallet in wallets]
    assert [one["payment_initiator"] for one in stored] == ["MERCHANT", "CUSTOMER"]
    assert wallets[1]["experience_context"]["return_url"] == f"{OURS}{BACK}"


@pytest.mark.parametrize(
    ("micros", "currency", "value"),
    [
        (30 * MICROS, "USD", "30.00"),
        (10_000, "EUR", "0.01"),
        (9_007_199_254_740_993 * 10_000, "USD", "90071992547409.93"),
        (5_000 * MICROS, "JPY", "5000"),
    ],
)
def test_amounts_are_exact_in_both_directions(micros, currency, value):
    """L1"""
    assert amounts.written(micros, currency) == {"currency_code": currency, "value": value}
    assert amounts.read({"currency_code": currency, "value": value}) == (micros, currency)


@pytest.mark.parametrize(
    ("micros", "currency"), [(0, "USD"), (-10_000, "USD"), (10_001, "USD"), (1_500_000, "JPY")]
)
def test_an_inexact_amount_is_rejected_without_a_request(harness, micros, currency):
    """L1, L8"""
    request = charge_request(harness.paying(), amount=micros, currency=currency)

    assert isinstance(harness.processor.charge(request), RequestRejected)
    assert harness.sent("/v2/checkout/orders") == []


@pytest.mark.parametrize("value", ["1.0000001", "one", "NaN", "Infinity", ""])
def test_an_invalid_amount_raises_value_error(value):
    with pytest.raises(ValueError, match=r"amount|micro"):
        amounts.read({"currency_code": "USD", "value": value})


PAYERS_FAULT = [
    ("INSTRUMENT_DECLINED", "generic_decline", DeclineClass.SOFT),
    ("TRANSACTION_REFUSED", "generic_decline", DeclineClass.SOFT),
    ("REDIRECT_PAYER_FOR_ALTERNATE_FUNDING", "insufficient_funds", DeclineClass.SOFT),
    ("TRANSACTION_LIMIT_EXCEEDED", "card_velocity_exceeded", DeclineClass.SOFT),
    ("PAYER_CANNOT_PAY", "transaction_not_allowed", DeclineClass.HARD),
    ("PAYER_ACCOUNT_RESTRICTED", "restricted_card", DeclineClass.HARD),
    ("PAYER_ACCOUNT_LOCKED_OR_CLOSED", "restricted_card", DeclineClass.HARD),
    ("PAYEE_BLOCKED_TRANSACTION", "merchant_blacklist", DeclineClass.HARD),
]


@pytest.mark.parametrize(("issue", "code", "decline_class"), PAYERS_FAULT)
def test_a_payer_side_issue_is_a_decline(harness, issue, code, decline_class):
    """T7, F2, F3, F8: with a standard decline code, stored with PayPal's time."""
    request = charge_request(harness.agreement(f"{issue.lower()}@example.com"))
    at = harness.now().replace(microsecond=0)

    answer = harness.processor.charge(request)

    assert isinstance(answer, Declined)
    assert (answer.code, answer.decline_class, answer.at) == (code, decline_class, at)
    harness.move_clock(timedelta(hours=30))
    assert harness.adapter().ask(request.key) == answer
    assert harness.adapter().charge(request) == answer
    assert len(harness.sent("/capture")) == 1


def test_a_cancelled_agreement_is_gone_m13(harness):
    """T7: stored with PayPal's time, and not sent again under the same key."""
    request = charge_request(harness.agreement("agreement_already_cancelled@example.com"))
    at = harness.now().replace(microsecond=0)

    answer = harness.processor.charge(request)

    assert answer == MethodGone(request.method_reference, at)
    harness.move_clock(timedelta(hours=30))
    assert harness.adapter().ask(request.key) == answer
    assert harness.adapter().charge(request) == answer
    assert len(harness.sent("/capture")) == 1


@pytest.mark.parametrize(
    "issue",
    ["TRANSACTION_RECEIVING_LIMIT_EXCEEDED", "PAYEE_NOT_ENABLED_FOR_CARD_PROCESSING",
     "INCOMPATIBLE_PARAMETER_VALUE"],
)  # fmt: skip
def test_a_merchant_side_issue_is_no_decline(harness, issue):
    """L8: no suspension; the reason for the operator contains PayPal's code."""
    request = charge_request(harness.agreement(f"{issue.lower()}@example.com"))

    answer = harness.processor.charge(request)

    assert isinstance(answer, RequestRejected)
    assert issue in answer.reason
    assert isinstance(harness.processor.ask(request.key), NotKnown)


def test_each_decline_code_has_an_explanation():
    """F2, F3"""
    assert set(CODES.values()) <= set(REASONS) | {"generic_decline"}


def test_the_issue_names_match_the_documents():
    if not documents.are_available():
        pytest.skip("PayPal's OpenAPI documents are not on this machine")
    published = {*documents.issues("422"), *documents.issues("orders.capture-422")}

    assert set(CODES) <= published


def test_a_lost_decline_without_a_record_is_found_by_repeating(harness):
    """L10: PayPal keeps no record of the decline and took nothing."""
    request = charge_request(harness.agreement("instrument_declined@example.com"))
    harness.lose_next_answer()

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert isinstance(harness.processor.charge(request), Declined)
    assert isinstance(harness.processor.ask(request.key), Declined)


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(hours=7), timedelta(hours=22)])
def test_a_late_repeat_by_another_process_takes_money_once(harness, later):
    """L3, L10: even after PayPal has forgotten the request, six hours later."""
    request = charge_request(harness.paying())
    harness.lose_next_answer()
    harness.processor.charge(request)
    harness.move_clock(later)

    assert isinstance(harness.adapter().charge(request), Paid)
    assert isinstance(harness.adapter().ask(request.key), Paid)
    assert len(harness.taken()) == 1


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(hours=7)])
def test_a_repeat_without_notes_takes_money_once(harness, later):
    """L3: as after restoring a backup made at the moment of the charge."""
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.notebook.pages.clear()
    harness.move_clock(later)

    answer = harness.processor.charge(request)

    assert isinstance(answer, Paid if later < timedelta(hours=6) else Unknown)
    assert len(harness.taken()) == 1


def test_an_expired_order_is_cancelled_and_takes_nothing(harness):
    """L10: nothing can be taken under this key any more."""
    request = charge_request(harness.paying())
    harness.lose_next_request()
    harness.processor.charge(request)
    harness.move_clock(timedelta(hours=4))

    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert isinstance(harness.processor.charge(request), Cancelled)
    assert harness.taken() == []


def test_a_payment_held_by_paypal_is_unknown_until_it_decides(harness):
    """T7, L10: meanwhile it is neither credited nor is the next method charged."""
    reference = harness.agreement("pending@example.com")
    good, bad = charge_request(reference), charge_request(reference)

    for request in (good, bad):
        assert isinstance(harness.processor.charge(request), Unknown)
        assert isinstance(harness.processor.ask(request.key), Unknown)

    first, second = harness.stand_in.captures()
    harness.stand_in.hold(first["id"], "COMPLETED")
    harness.stand_in.hold(second["id"], "DECLINED")
    assert isinstance(harness.processor.ask(good.key), Paid)
    assert isinstance(harness.processor.ask(bad.key), Declined)


def test_a_refunded_payment_stays_paid(harness):
    """L7: a refund is a debit of its own."""
    request = charge_request(harness.paying())
    paid = harness.processor.charge(request)

    for value in ("40.00", "60.00"):
        harness.stand_in.refund(paid.reference, value)
        assert harness.processor.ask(request.key) == paid


def test_another_payments_order_is_not_accepted(harness):
    """L9"""
    request, other = charge_request(harness.paying()), charge_request(harness.paying())
    harness.processor.charge(other)
    pages = harness.notebook.pages
    pages[request.key] = pages[other.key].replace(other.key, request.key)

    answer = harness.processor.ask(request.key)

    assert isinstance(answer, Unknown)
    assert "another payment" in answer.reason


def test_a_challenge_whose_answer_was_lost_is_found_by_asking(harness):
    """L10, F4: the order shows the challenge."""
    request = charge_request(
        harness.requires_authentication(), customer_present=True, return_to=BACK
    )
    harness.lose_next_answer()

    assert isinstance(harness.processor.charge(request), Unknown)

    asked = harness.processor.ask(request.key)
    assert isinstance(asked, NeedsCustomer)
    harness.confirm(asked.address)
    assert isinstance(harness.processor.ask(request.key), Paid)


def test_a_confirmed_payment_can_still_be_declined(harness):
    """F9: PayPal is not asked again afterwards."""
    request = charge_request(
        harness.requires_authentication(), customer_present=True, return_to=BACK
    )
    asked = harness.processor.charge(request)
    harness.stand_in.payers.overrides["confirm@example.com"] = "instrument_declined@example.com"
    harness.confirm(asked.address)

    answer = harness.processor.ask(request.key)

    assert isinstance(answer, Declined)
    del harness.stand_in.payers.overrides["confirm@example.com"]
    assert harness.processor.ask(request.key) == answer
    assert harness.taken() == []


# Failures of requests


@pytest.mark.parametrize("status", [409, 500, 503])
def test_a_failed_capture_is_unknown(harness, status):
    """T7"""
    request = charge_request(harness.paying())
    harness.stand_in.fail_next(status, "/capture")

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert isinstance(harness.processor.charge(request), Paid)


@pytest.mark.parametrize("kind", [400, 401, 429, 500, "lose_request", "lose_answer"])
def test_a_failure_before_the_order_exists_took_nothing(harness, kind):
    """L8: the charge can be tried again at once, and the next method is not charged."""
    request = charge_request(harness.paying())
    harness.stand_in.fail_next(kind, "/v2/checkout/orders")
    if kind == 401:
        harness.stand_in.fail_next(kind, "/v2/checkout/orders")

    assert isinstance(harness.processor.charge(request), RequestRejected)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert harness.taken() == []
    assert isinstance(harness.processor.charge(request), Paid)
    assert len(harness.taken()) == 1


@pytest.mark.parametrize("kind", [401, 429, 500, "lose_answer"])
def test_a_repeat_that_cannot_read_the_order_is_unknown(harness, kind):
    """T7, L10: the key may already have been charged."""
    request = charge_request(harness.paying())
    harness.lose_next_answer()
    harness.processor.charge(request)
    for _ in range(2):
        harness.stand_in.fail_next(kind, "GET /v2/checkout/orders")

    assert isinstance(harness.processor.charge(request), Unknown)
    assert len(harness.taken()) == 1


def test_a_timeout_is_unknown(harness):
    """T7"""
    request = charge_request(harness.paying())
    hasty = harness.adapter(timeout=(1.0, 0.2))
    harness.stand_in.fail_next("slow", "/capture", seconds=0.6)

    assert isinstance(hasty.charge(request), Unknown)


def test_an_unreachable_server_is_a_rejection(harness):
    """L8"""
    nobody = harness.adapter(base="http://127.0.0.1:1")

    assert isinstance(nobody.charge(charge_request("any")), RequestRejected)
    assert isinstance(nobody.link(ACCOUNT, BACK), RequestRejected)
    assert nobody.revoke("any") is False


def test_an_expired_access_token_is_renewed(harness):
    reference = harness.paying()
    harness.stand_in.end_access_tokens()

    assert isinstance(harness.processor.charge(charge_request(reference)), Paid)


def test_an_access_token_is_reused_until_it_expires(harness):
    harness.paying()
    harness.paying()

    assert len([path for _, path, _ in harness.stand_in.requests if "oauth2" in path]) == 1


def test_wrong_keys_are_a_rejection_that_names_the_setting(harness):
    """L8"""
    stranger = harness.adapter(secret="wrong")

    answer = stranger.charge(charge_request(harness.paying()))

    assert isinstance(answer, RequestRejected)
    assert "PAYPAL_CLIENT_SECRET" in answer.reason
    assert "wrong" not in answer.reason


@pytest.mark.parametrize("page", ["kept", "keep"])
def test_nothing_is_charged_if_the_note_cannot_be_written(harness, page, monkeypatch):
    """L3: a full disk, for example; the note precedes the charge."""
    reference = harness.paying()

    def full(*_):
        raise CannotKeep("the disk is full")

    monkeypatch.setattr(harness.notebook, page, full)

    assert isinstance(
        harness.processor.charge(charge_request(reference)), RequestRejected | Unknown
    )
    assert harness.taken() == []


# Agreements


def test_the_payer_id_and_email_are_stored(harness):
    """M7, M8"""
    asked = harness.processor.link(ACCOUNT, BACK)
    harness.agree(asked.address, "ana@example.com")

    agreement = harness.processor.saving(ACCOUNT, asked.reference)

    wallet = harness.stand_in.payers.wallet("ana@example.com")
    assert agreement.fingerprint == wallet["payer_id"]
    assert agreement.payer_email == "ana@example.com"


def test_an_agreement_whose_answer_was_lost_is_saved_once(harness):
    """M8: the payer agreed once."""
    asked = harness.processor.link(ACCOUNT, BACK)
    harness.agree(asked.address, "ana@example.com")
    harness.stand_in.fail_next("lose_answer", "POST /v3/vault/payment-tokens")

    assert isinstance(harness.processor.saving(ACCOUNT, asked.reference), Unknown)

    saved = harness.processor.saving(ACCOUNT, asked.reference)
    assert isinstance(saved, SavedAgreement)
    harness.move_clock(timedelta(hours=5))
    assert harness.adapter().saving(ACCOUNT, asked.reference) == saved
    assert list(harness.stand_in.tokens) == [saved.reference]


def test_a_failed_revocation_returns_false(harness):
    """M13: it is repeated until it succeeds."""
    reference = harness.paying()
    harness.stand_in.fail_next(500, "DELETE")

    assert harness.processor.revoke(reference) is False
    assert harness.processor.revoke(reference) is True
    assert harness.stand_in.tokens == {}


@pytest.mark.parametrize("kind", [403, 429, 500, "lose_answer"])
def test_a_failed_query_of_an_agreement_is_no_decline(harness, kind):
    """F4"""
    reference = harness.paying()
    harness.stand_in.fail_next(kind, "GET /v3/vault/payment-tokens")

    assert not isinstance(harness.processor.verify("verify", reference), Verified | Declined)


def test_a_verification_key_is_valid_for_one_method(harness):
    reference, other = harness.paying(), harness.paying()
    harness.processor.verify("verify", reference)

    assert isinstance(harness.processor.verify("verify", other), RequestRejected)
