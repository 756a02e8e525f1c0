"""PayPal behind the contract, over HTTP against a strict stand-in, and what is PayPal's own."""

from datetime import timedelta

import pytest

from tests.processors.contract import ACCOUNT, BACK, AgreementContract, ListingContract, wish
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


def test_requests_and_answers_are_held_against_the_published_documents():
    if not documents.are_here():
        pytest.skip("PayPal's OpenAPI documents are not on this machine: shapes are not checked")
    sent = {"intent": "CAPTURE", "purchase_units": [{"amount": {"value": "1.00"}}]}

    complaint = documents.complaint_about_request("POST", "/v2/checkout/orders", {}, sent)

    assert "currency_code" in complaint


class TestPayPal(AgreementContract, ListingContract):
    pass


# Charging


def test_what_is_asked_for_is_written_exactly(harness):
    """L1, L9: the amount, whose payment it is, and who began it."""
    reference = harness.paying()
    unattended = wish(reference, amount=1_234_560_000)
    attended = wish(reference, customer_present=True, return_to=BACK)

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
def test_what_cannot_be_asked_for_exactly_is_not_asked_for(harness, micros, currency):
    """L1, L8"""
    request = wish(harness.paying(), amount=micros, currency=currency)

    assert isinstance(harness.processor.charge(request), RequestRejected)
    assert harness.sent("/v2/checkout/orders") == []


@pytest.mark.parametrize("value", ["1.0000001", "one", "NaN", "Infinity", ""])
def test_what_is_no_amount_is_not_read_as_one(value):
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
def test_what_is_wrong_with_the_payer_declines(harness, issue, code, decline_class):
    """T7, F2, F3, F8: in the field's own words, kept with PayPal's own time."""
    request = wish(harness.agreement(f"{issue.lower()}@example.com"))
    at = harness.now().replace(microsecond=0)

    answer = harness.processor.charge(request)

    assert isinstance(answer, Declined)
    assert (answer.code, answer.decline_class, answer.at) == (code, decline_class, at)
    harness.move_clock(timedelta(hours=30))
    assert harness.adapter().ask(request.key) == answer
    assert harness.adapter().charge(request) == answer
    assert len(harness.sent("/capture")) == 1


def test_a_cancelled_agreement_is_gone_m13(harness):
    """T7: kept with PayPal's own time, and not asked for again under the same key."""
    request = wish(harness.agreement("agreement_already_cancelled@example.com"))
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
def test_what_is_wrong_with_us_says_nothing_about_the_payer(harness, issue):
    """L8: no suspension; the operator reads PayPal's own word for it."""
    request = wish(harness.agreement(f"{issue.lower()}@example.com"))

    answer = harness.processor.charge(request)

    assert isinstance(answer, RequestRejected)
    assert issue in answer.reason
    assert isinstance(harness.processor.ask(request.key), NotKnown)


def test_each_code_is_one_that_declines_are_explained_by():
    """F2, F3"""
    assert set(CODES.values()) <= set(REASONS) | {"generic_decline"}


def test_the_issues_are_spelt_as_in_the_documents():
    if not documents.are_here():
        pytest.skip("PayPal's OpenAPI documents are not on this machine")
    published = {*documents.issues("422"), *documents.issues("orders.capture-422")}

    assert set(CODES) <= published


def test_a_decline_that_leaves_no_trace_is_found_by_repeating(harness):
    """L10: PayPal keeps no record of it, and took nothing."""
    request = wish(harness.agreement("instrument_declined@example.com"))
    harness.lose_next_answer()

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert isinstance(harness.processor.charge(request), Declined)
    assert isinstance(harness.processor.ask(request.key), Declined)


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(hours=7), timedelta(hours=22)])
def test_a_late_repeat_by_another_process_takes_nothing_twice(harness, later):
    """L3, L10: also when PayPal has forgotten the request, as it does after six hours."""
    request = wish(harness.paying())
    harness.lose_next_answer()
    harness.processor.charge(request)
    harness.move_clock(later)

    assert isinstance(harness.adapter().charge(request), Paid)
    assert isinstance(harness.adapter().ask(request.key), Paid)
    assert len(harness.taken()) == 1


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(hours=7)])
def test_even_with_its_notes_lost_nothing_is_taken_twice(harness, later):
    """L3: as after a restore from a backup that was made in the moment of the charge."""
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.notebook.pages.clear()
    harness.move_clock(later)

    answer = harness.processor.charge(request)

    assert isinstance(answer, Paid if later < timedelta(hours=6) else Unknown)
    assert len(harness.taken()) == 1


def test_an_order_that_ran_out_took_nothing_and_is_given_up(harness):
    """L10: under this key nothing can be taken any more."""
    request = wish(harness.paying())
    harness.lose_next_request()
    harness.processor.charge(request)
    harness.move_clock(timedelta(hours=4))

    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert isinstance(harness.processor.charge(request), Cancelled)
    assert harness.taken() == []


def test_a_payment_that_paypal_holds_is_not_known_until_it_decides(harness):
    """T7, L10: neither credited nor charged to the next method meanwhile."""
    reference = harness.agreement("pending@example.com")
    good, bad = wish(reference), wish(reference)

    for request in (good, bad):
        assert isinstance(harness.processor.charge(request), Unknown)
        assert isinstance(harness.processor.ask(request.key), Unknown)

    first, second = harness.there.captures()
    harness.there.hold(first["id"], "COMPLETED")
    harness.there.hold(second["id"], "DECLINED")
    assert isinstance(harness.processor.ask(good.key), Paid)
    assert isinstance(harness.processor.ask(bad.key), Declined)


def test_what_was_given_back_since_had_been_paid(harness):
    """L7: a refund is a debit of its own."""
    request = wish(harness.paying())
    paid = harness.processor.charge(request)

    for value in ("40.00", "60.00"):
        harness.there.refund(paid.reference, value)
        assert harness.processor.ask(request.key) == paid


def test_another_payments_order_is_no_evidence(harness):
    """L9"""
    request, other = wish(harness.paying()), wish(harness.paying())
    harness.processor.charge(other)
    pages = harness.notebook.pages
    pages[request.key] = pages[other.key].replace(other.key, request.key)

    answer = harness.processor.ask(request.key)

    assert isinstance(answer, Unknown)
    assert "another payment" in answer.reason


def test_a_payer_who_is_asked_and_not_heard_of_is_still_asked(harness):
    """L10, F4: the answer was lost, the order tells."""
    request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
    harness.lose_next_answer()

    assert isinstance(harness.processor.charge(request), Unknown)

    asked = harness.processor.ask(request.key)
    assert isinstance(asked, NeedsCustomer)
    harness.confirm(asked.address)
    assert isinstance(harness.processor.ask(request.key), Paid)


def test_whoever_agreed_may_still_be_declined(harness):
    """F9: and then PayPal is not asked again."""
    request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
    asked = harness.processor.charge(request)
    harness.there.payers.ends["confirm@example.com"] = "instrument_declined@example.com"
    harness.confirm(asked.address)

    answer = harness.processor.ask(request.key)

    assert isinstance(answer, Declined)
    del harness.there.payers.ends["confirm@example.com"]
    assert harness.processor.ask(request.key) == answer
    assert harness.taken() == []


# The wire


@pytest.mark.parametrize("status", [409, 500, 503])
def test_a_failing_capture_is_not_known(harness, status):
    """T7"""
    request = wish(harness.paying())
    harness.there.trouble(status, "/capture")

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert isinstance(harness.processor.charge(request), Paid)


@pytest.mark.parametrize("kind", [400, 401, 429, 500, "lose_request", "lose_answer"])
def test_where_no_order_was_opened_nothing_was_taken(harness, kind):
    """L8: so it may be tried again at once, and the next method is not charged."""
    request = wish(harness.paying())
    harness.there.trouble(kind, "/v2/checkout/orders")
    if kind == 401:
        harness.there.trouble(kind, "/v2/checkout/orders")

    assert isinstance(harness.processor.charge(request), RequestRejected)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    assert harness.taken() == []
    assert isinstance(harness.processor.charge(request), Paid)
    assert len(harness.taken()) == 1


@pytest.mark.parametrize("kind", [401, 429, 500, "lose_answer"])
def test_who_cannot_look_does_not_say_that_nothing_was_taken(harness, kind):
    """T7, L10: a repeat under a key that may have been charged."""
    request = wish(harness.paying())
    harness.lose_next_answer()
    harness.processor.charge(request)
    for _ in range(2):
        harness.there.trouble(kind, "GET /v2/checkout/orders")

    assert isinstance(harness.processor.charge(request), Unknown)
    assert len(harness.taken()) == 1


def test_an_answer_that_takes_too_long_is_not_known(harness):
    """T7"""
    request = wish(harness.paying())
    hasty = harness.adapter(timeout=(1.0, 0.2))
    harness.there.trouble("slow", "/capture", seconds=0.6)

    assert isinstance(hasty.charge(request), Unknown)


def test_nobody_at_the_address_is_a_refusal_before_anything_was_sent(harness):
    """L8"""
    nobody = harness.adapter(base="http://127.0.0.1:1")

    assert isinstance(nobody.charge(wish("any")), RequestRejected)
    assert isinstance(nobody.link(ACCOUNT, BACK), RequestRejected)
    assert nobody.revoke("any") is False


def test_access_that_has_ended_is_renewed(harness):
    reference = harness.paying()
    harness.there.end_access()

    assert isinstance(harness.processor.charge(wish(reference)), Paid)


def test_one_access_token_serves_all_until_it_ends(harness):
    harness.paying()
    harness.paying()

    assert len([path for _, path, _ in harness.there.requests if "oauth2" in path]) == 1


def test_wrong_keys_are_a_refusal_that_names_them(harness):
    """L8"""
    stranger = harness.adapter(secret="wrong")

    answer = stranger.charge(wish(harness.paying()))

    assert isinstance(answer, RequestRejected)
    assert "PAYPAL_CLIENT_SECRET" in answer.reason
    assert "wrong" not in answer.reason


@pytest.mark.parametrize("page", ["kept", "keep"])
def test_without_its_notes_nothing_is_charged(harness, page, monkeypatch):
    """L3: a full disk; the note comes before the money."""
    reference = harness.paying()

    def full(*_):
        raise CannotKeep("the disk is full")

    monkeypatch.setattr(harness.notebook, page, full)

    assert isinstance(harness.processor.charge(wish(reference)), RequestRejected | Unknown)
    assert harness.taken() == []


# Agreements


def test_what_is_kept_of_a_payer(harness):
    """M7, M8"""
    asked = harness.processor.link(ACCOUNT, BACK)
    harness.agree(asked.address, "ana@example.com")

    agreement = harness.processor.saving(ACCOUNT, asked.reference)

    wallet = harness.there.payers.wallet("ana@example.com")
    assert agreement.fingerprint == wallet["payer_id"]
    assert agreement.payer_email == "ana@example.com"


def test_an_agreement_whose_saving_was_not_heard_of_is_saved_once(harness):
    """M8: the answer was lost; the payer agreed once."""
    asked = harness.processor.link(ACCOUNT, BACK)
    harness.agree(asked.address, "ana@example.com")
    harness.there.trouble("lose_answer", "POST /v3/vault/payment-tokens")

    assert isinstance(harness.processor.saving(ACCOUNT, asked.reference), Unknown)

    saved = harness.processor.saving(ACCOUNT, asked.reference)
    assert isinstance(saved, SavedAgreement)
    harness.move_clock(timedelta(hours=5))
    assert harness.adapter().saving(ACCOUNT, asked.reference) == saved
    assert list(harness.there.tokens) == [saved.reference]


def test_a_revocation_that_failed_is_not_done(harness):
    """M13: it is repeated until it is."""
    reference = harness.paying()
    harness.there.trouble(500, "DELETE")

    assert harness.processor.revoke(reference) is False
    assert harness.processor.revoke(reference) is True
    assert harness.there.tokens == {}


@pytest.mark.parametrize("kind", [403, 429, 500, "lose_answer"])
def test_no_answer_about_an_agreement_is_no_decline(harness, kind):
    """F4"""
    reference = harness.paying()
    harness.there.trouble(kind, "GET /v3/vault/payment-tokens")

    assert not isinstance(harness.processor.verify("verify", reference), Verified | Declined)


def test_a_key_verifies_one_method(harness):
    reference, other = harness.paying(), harness.paying()
    harness.processor.verify("verify", reference)

    assert isinstance(harness.processor.verify("verify", other), RequestRejected)
