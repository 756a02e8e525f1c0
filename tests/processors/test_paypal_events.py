"""PayPal's events: verification, content, and that nothing is counted twice."""

import json
from datetime import timedelta

import pytest

from tests.processors.contract import BACK, HUNDRED, charge_request, happenings_in
from tests.processors.paypal.harness import serving
from tests.processors.paypal.stand_in import READS_DISPUTES
from webapp.domain.shared.money import MICROS
from webapp.ports import (
    Declined,
    Event,
    Forged,
    Listed,
    MethodGone,
    NeedsOperator,
    Paid,
    RequestRejected,
    ReversalKind,
    ReversalState,
    Reversed,
    Settled,
    Unknown,
)
from webapp.processors.paypal import events as paypal_events


@pytest.fixture
def harness():
    with serving() as harness:
        yield harness


@pytest.fixture
def paid(harness):
    """The key of a payment of 100 and the id of its capture."""
    request = charge_request(harness.paying())
    answer = harness.processor.charge(request)
    return request.key, answer.reference


def happenings_after(harness, kind, resource, resource_type="capture"):
    """Return the happenings of one event."""
    headers, body = harness.stand_in.event(kind, resource, resource_type)
    return happenings_in(harness, body, headers)


def all_happenings(harness):
    return [
        it
        for headers, body in harness.stand_in.deliveries()
        for it in happenings_in(harness, body, headers)
    ]


def reversals(happenings):
    return {
        (it.reference, it.kind, it.state, it.amount // MICROS)
        for it in happenings
        if isinstance(it, Reversed)
    }


# Verification


def test_the_signature_is_verified_on_the_exact_bytes(harness):
    """A body whose spaces and escapes would change if serialised again."""
    raw = b'{"id":"WH-1",  "event_type": "BILLING.PLAN.CREATED","resource":{"a":"\\u00e9","b":1.0}}'
    headers, _ = harness.stand_in.sign(raw)

    assert harness.processor.open_event(raw, headers) == Event("WH-1", "")


def test_header_names_are_case_insensitive(harness):
    headers, raw = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    headers = {name.lower(): value for name, value in headers.items()}

    assert isinstance(harness.processor.open_event(raw, headers), Event)


@pytest.mark.parametrize("name", ["TRANSMISSION-ID", "TRANSMISSION-SIG", "TRANSMISSION-TIME"])
def test_a_signature_of_another_message_is_rejected(harness, name):
    headers, raw = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    harness.move_clock(timedelta(seconds=1))
    other, _ = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-2"}, "plan")
    headers[f"PAYPAL-{name}"] = other[f"PAYPAL-{name}"]

    assert isinstance(harness.processor.open_event(raw, headers), Forged)


def test_another_merchants_message_is_rejected(harness):
    headers, raw = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")

    assert isinstance(harness.adapter(webhook_id="9XY").open_event(raw, headers), Forged)
    assert isinstance(harness.adapter(webhook_id="").open_event(raw, headers), Forged)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b'{"id": "1"}', b"\xff", b'{"id":'])
def test_a_malformed_message_is_rejected(harness, raw):
    headers, _ = harness.stand_in.sign(raw)

    assert isinstance(harness.processor.open_event(raw, headers), Forged)


def test_a_message_that_cannot_be_parsed_is_rejected(harness):
    """Without a request to PayPal, as anyone can send it. On 26 November 2026 it raised an
    error.
    """
    deep = b"[" * 200_000
    headers, raw = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    first_day = {**headers, "PAYPAL-TRANSMISSION-TIME": "0001-01-01T00:00:00+14:00"}

    assert isinstance(harness.processor.open_event(deep, headers), Forged)
    assert isinstance(harness.processor.open_event(raw, first_day), Forged)


def test_a_message_from_the_future_is_rejected(harness):
    harness.move_clock(timedelta(hours=1))
    headers, raw = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    harness.move_clock(timedelta(hours=-1))

    assert isinstance(harness.processor.open_event(raw, headers), Forged)


def test_a_message_of_three_days_ago_is_accepted(harness, paid):
    """PayPal retries failed deliveries for three days."""
    harness.stand_in.refund(paid[1], "40.00")
    ((headers, raw),) = harness.stand_in.deliveries()
    harness.move_clock(timedelta(days=3))

    assert reversals(happenings_in(harness, raw, headers))


@pytest.mark.parametrize("kind", [401, 429, 500, "lose_answer"])
def test_a_signature_that_cannot_be_verified_now_is_left_undecided(harness, kind):
    """PayPal then delivers it again."""
    headers, raw = harness.stand_in.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    for _ in range(2):
        harness.stand_in.fail_next(kind, "verify-webhook")

    answer = harness.processor.open_event(raw, headers)

    assert isinstance(answer, Unknown | RequestRejected)


# Content


def test_a_decision_about_a_held_payment_is_reported(harness):
    """L10: held, and then completed or denied."""
    reference = harness.agreement("pending@example.com")
    good, bad = charge_request(reference), charge_request(reference)
    for request in (good, bad):
        harness.processor.charge(request)
    first, second = harness.stand_in.captures()
    assert happenings_after(harness, "PAYMENT.CAPTURE.PENDING", first) == []

    harness.stand_in.hold(first["id"], "COMPLETED")
    harness.stand_in.hold(second["id"], "DECLINED")

    (paid,) = happenings_after(harness, "PAYMENT.CAPTURE.COMPLETED", first)
    (declined,) = happenings_after(harness, "PAYMENT.CAPTURE.DECLINED", second)
    assert (paid.key, type(paid.answer)) == (good.key, Paid)
    assert (declined.key, type(declined.answer)) == (bad.key, Declined)


def test_a_payer_who_agreed_without_returning_has_paid(harness):
    request = charge_request(
        harness.requires_authentication(), customer_present=True, return_to=BACK
    )
    asked = harness.processor.charge(request)
    harness.confirm(asked.address)
    order = harness.stand_in.orders[asked.reference]

    (settled,) = happenings_after(harness, "CHECKOUT.ORDER.APPROVED", order, "checkout-order")

    assert isinstance(settled.answer, Paid)
    assert harness.taken() == [(request.key, HUNDRED, "USD")]


def test_an_event_does_not_capture_a_cancelled_payment(harness):
    """F9"""
    request = charge_request(
        harness.requires_authentication(), customer_present=True, return_to=BACK
    )
    asked = harness.processor.charge(request)
    harness.processor.cancel(request.key)
    harness.confirm(asked.address)
    order = harness.stand_in.orders[asked.reference]

    happenings_after(harness, "CHECKOUT.ORDER.APPROVED", order, "checkout-order")

    assert harness.taken() == []


def test_amounts_and_states_in_the_message_are_ignored(harness, paid):
    """L9: only the ids are used."""
    key = paid[0]
    forged = {**harness.stand_in.captures()[0], "status": "REFUNDED", "custom_id": "attempt-other"}
    forged["amount"] = {"currency_code": "EUR", "value": "1000000.00"}

    (settled,) = happenings_after(harness, "PAYMENT.CAPTURE.COMPLETED", forged)

    assert settled == Settled(key, harness.processor.ask(key))
    assert settled.answer.amount == HUNDRED


def test_a_foreign_order_with_our_key_is_not_credited(harness, paid):
    """L9: anyone who knows a client id can create an order and put our key into it."""
    strange = {**harness.stand_in.captures()[0], "id": "STRANGE1", "invoice_id": "other"}
    order = {**next(iter(harness.stand_in.orders.values())), "id": "STRANGEORDER"}
    order["purchase_units"] = [{**order["purchase_units"][0], "payments": {"captures": [strange]}}]
    harness.stand_in.orders["STRANGEORDER"] = order

    (stray,) = happenings_after(harness, "PAYMENT.CAPTURE.COMPLETED", strange)
    approved = happenings_after(harness, "CHECKOUT.ORDER.APPROVED", order, "checkout-order")

    assert isinstance(stray, NeedsOperator)
    assert (stray.reference, stray.amount, stray.currency) == ("STRANGE1", HUNDRED, "USD")
    assert approved == []


def test_events_of_a_shop_that_shares_the_account_are_ignored(harness, paid):
    """Its payments, refunds and disputes are ignored."""
    capture = harness.stand_in.captures()[0]
    capture["custom_id"] = "basket-77"

    assert happenings_after(harness, "PAYMENT.CAPTURE.COMPLETED", capture) == []
    harness.stand_in.refund(capture["id"], "10.00")
    harness.stand_in.end_dispute(harness.stand_in.dispute(capture["id"]), "RESOLVED_BUYER_FAVOUR")
    assert all_happenings(harness) == []


def test_each_partial_refund_is_separate(harness, paid):
    """L7"""
    for value in ("10.00", "10.00", "30.00"):
        harness.stand_in.refund(paid[1], value)

    happenings = all_happenings(harness)

    assert sorted(amount for _, _, _, amount in reversals(happenings)) == [10, 10, 30]


def test_a_lost_dispute_takes_the_money_once(harness, paid):
    """L7: PayPal reports both the dispute and the resulting reversal."""
    dispute = harness.stand_in.dispute(paid[1])
    harness.stand_in.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")

    happenings = all_happenings(harness)

    assert reversals(happenings) == {(dispute, ReversalKind.DISPUTE, ReversalState.LOST, 100)}


def test_a_reversal_without_a_dispute_is_reported(harness, paid):
    """L7: as when a bank takes back a debit."""
    made = harness.stand_in.reverse(paid[1], "100.00")

    assert reversals(all_happenings(harness)) == {
        (made["id"], ReversalKind.REVERSAL, ReversalState.TAKEN, 100)
    }


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("RESOLVED_SELLER_FAVOUR", ReversalState.RETURNED),
        ("RESOLVED_WITH_PAYOUT", ReversalState.RETURNED),
        ("CANCELED_BY_BUYER", ReversalState.RETURNED),
        ("DENIED", ReversalState.RETURNED),
        ("ACCEPTED", ReversalState.LOST),
    ],
)
def test_each_outcome_of_a_dispute_has_its_state(harness, paid, outcome, state):
    """L7"""
    dispute = harness.stand_in.dispute(paid[1])
    harness.stand_in.end_dispute(dispute, outcome)

    assert {it[2] for it in reversals(all_happenings(harness))} == {state}


def for_operator(happenings):
    return {it.reference: it.what for it in happenings if isinstance(it, NeedsOperator)}


@pytest.mark.parametrize("outcome", ["NONE", "", "SOMETHING_NEW"])
def test_a_dispute_outcome_without_the_moneys_location_is_reported_to_the_operator(
    harness, paid, outcome
):
    """L7, L9: as when another dispute about the same payment continues."""
    dispute = harness.stand_in.dispute(paid[1])
    assert {it[2] for it in reversals(all_happenings(harness))} == {ReversalState.TAKEN}
    harness.stand_in.end_dispute(dispute, outcome)

    happenings = all_happenings(harness)

    assert reversals(happenings) == set()
    assert list(for_operator(happenings)) == [f"{dispute} (ending)"]
    assert (outcome or "no outcome") in for_operator(happenings)[f"{dispute} (ending)"]


def test_an_inquiry_takes_nothing_and_a_claim_takes_the_money_once(harness, paid):
    """L7: the parties first exchange messages; an escalated inquiry is the same dispute."""
    dispute = harness.stand_in.dispute(paid[1], stage="INQUIRY")
    assert reversals(all_happenings(harness)) == set()

    harness.stand_in.escalate(dispute)
    claim = {(dispute, ReversalKind.DISPUTE, ReversalState.TAKEN, 100)}
    assert reversals(all_happenings(harness)) == claim
    harness.stand_in.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")

    lost = {(dispute, ReversalKind.DISPUTE, ReversalState.LOST, 100)}
    assert reversals(all_happenings(harness)) == lost


@pytest.mark.parametrize("stage", ["CHARGEBACK", "PRE_ARBITRATION", "ARBITRATION"])
def test_every_later_stage_is_a_claim(harness, paid, stage):
    """L7"""
    harness.stand_in.dispute(paid[1], stage=stage)

    assert {it[2] for it in reversals(all_happenings(harness))} == {ReversalState.TAKEN}


def test_an_inquiry_with_a_debit_takes_the_money(harness, paid):
    """L7: the debit counts whatever the stage is called; a fee is not part of it."""
    dispute = harness.stand_in.dispute(paid[1], stage="INQUIRY")
    harness.stand_in.move_money(dispute, "DEBIT", "20.00", reason="DISPUTE_FEE")
    assert reversals(all_happenings(harness)) == set()

    harness.stand_in.move_money(dispute, "DEBIT", "100.00")
    taken = {(dispute, ReversalKind.DISPUTE, ReversalState.TAKEN, 100)}
    assert reversals(all_happenings(harness)) == taken

    harness.stand_in.move_money(dispute, "CREDIT", "100.00")
    assert reversals(all_happenings(harness)) == set()


@pytest.mark.parametrize("outcome", ["RESOLVED_BUYER_FAVOUR", "ACCEPTED", "NONE", ""])
def test_an_inquiry_that_is_lost_or_unclear_is_reported_to_the_operator(harness, paid, outcome):
    """L7, L9: PayPal shows no debit, and a refund has its own event."""
    dispute = harness.stand_in.dispute(paid[1], stage="INQUIRY")
    harness.stand_in.end_dispute(dispute, outcome)

    happenings = all_happenings(harness)

    assert reversals(happenings) == set()
    assert "closed this inquiry" in for_operator(happenings)[f"{dispute} (ending)"]


def test_an_inquiry_does_not_hide_a_reversal(harness, paid):
    """L7: the inquiry is not its cause."""
    harness.stand_in.dispute(paid[1], stage="INQUIRY")
    made = harness.stand_in.reverse(paid[1], "100.00")

    assert reversals(all_happenings(harness)) == {
        (made["id"], ReversalKind.REVERSAL, ReversalState.TAKEN, 100)
    }


@pytest.fixture
def without_disputes(harness):
    """The app's feature *Disputes* is off."""
    harness.stand_in.scopes.discard(READS_DISPUTES)
    harness.stand_in.end_access_tokens()


def test_a_reversal_is_booked_although_disputes_cannot_be_read(harness, paid, without_disputes):
    """L7, L9: the evidence names the feature to enable."""
    made = harness.stand_in.reverse(paid[1], "40.00")

    happenings = all_happenings(harness)

    assert reversals(happenings) == {(made["id"], ReversalKind.REVERSAL, ReversalState.TAKEN, 40)}
    assert "switch Disputes on" in for_operator(happenings)[f"{made['id']} (cause)"]


def test_a_dispute_that_cannot_be_read_is_reported_to_the_operator(harness, paid, without_disputes):
    """L7, L9: the event is accepted, as PayPal would deliver it in vain for three days."""
    dispute = harness.stand_in.dispute(paid[1])

    (happenings_after,) = all_happenings(harness)

    assert (happenings_after.reference, happenings_after.amount, happenings_after.currency) == (
        dispute,
        0,
        "",
    )
    assert "switch Disputes on" in happenings_after.what


def test_disputes_are_read_after_the_feature_is_enabled(harness, paid, without_disputes):
    """L7: an access token keeps its scopes for hours, so a new one is requested."""
    dispute = harness.stand_in.dispute(paid[1])
    assert reversals(all_happenings(harness)) == set()
    harness.stand_in.scopes.add(READS_DISPUTES)

    harness.stand_in.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")

    assert reversals(all_happenings(harness)) == {
        (dispute, ReversalKind.DISPUTE, ReversalState.LOST, 100)
    }


def test_a_failed_refund_is_returned(harness, paid):
    """L7"""
    made = harness.stand_in.refund(paid[1], "40.00")
    made["status"] = "FAILED"

    assert reversals(all_happenings(harness)) == {
        (made["id"], ReversalKind.REFUND, ReversalState.RETURNED, 40)
    }


def test_a_deleted_token_that_still_exists_is_not_gone(harness):
    """M13: the token is fetched again, regardless of the message."""
    reference = harness.paying()

    assert (
        happenings_after(harness, "VAULT.PAYMENT-TOKEN.DELETED", {"id": reference}, "payment_token")
        == []
    )
    harness.stand_in.cancel_agreement(reference)
    (gone,) = all_happenings(harness)
    assert isinstance(gone, MethodGone)


@pytest.mark.parametrize("where", ["/v2/payments", "/v2/checkout/orders", "/v1/customer/disputes"])
@pytest.mark.parametrize("kind", [429, 500, "lose_answer"])
def test_an_event_whose_object_cannot_be_read_now_is_not_skipped(harness, paid, where, kind):
    """L7: PayPal delivers it again."""
    harness.stand_in.dispute(paid[1])
    ((headers, raw),) = harness.stand_in.deliveries()
    event = harness.processor.open_event(raw, headers)
    harness.stand_in.fail_next(kind, where)

    assert isinstance(harness.processor.happenings(event), Unknown | RequestRejected)
    assert reversals(harness.processor.happenings(event))


def test_an_unexpected_body_is_unknown(harness, paid):
    dispute = harness.stand_in.dispute(paid[1])
    harness.stand_in.disputes[dispute]["dispute_amount"] = {"value": "much"}
    ((headers, raw),) = harness.stand_in.deliveries()

    event = harness.processor.open_event(raw, headers)

    assert isinstance(harness.processor.happenings(event), Unknown)
    assert json.loads(raw)["resource"]["dispute_id"] == dispute


def test_a_listed_event_with_an_unexpected_body_is_not_skipped(harness, paid):
    """L17: the result is unknown, and the list is requested again."""
    begin = harness.now()
    harness.stand_in.refund(paid[1], "40.00")
    harness.stand_in.log[-1]["resource"] = {}
    harness.move_clock(timedelta(minutes=1))

    assert isinstance(harness.processor.list_events(begin, harness.now()), Unknown)


@pytest.mark.parametrize(("kind", "answer"), [(403, RequestRejected), (500, Unknown)])
def test_a_failed_list_request_is_reported(harness, kind, answer):
    """L17"""
    harness.stand_in.fail_next(kind, "webhooks-events")

    assert isinstance(harness.processor.list_events(harness.now(), harness.now()), answer)


def test_a_span_with_too_many_events_is_not_whole(harness, paid, monkeypatch):
    """L17: the span is shortened, and none of its events is used before."""
    monkeypatch.setattr(paypal_events, "PAGES", 2)
    begin = harness.now()
    for _ in range(2 * paypal_events.PAGE + 1):
        harness.stand_in.refund(paid[1], "1.00")
    harness.move_clock(timedelta(minutes=1))

    assert harness.processor.list_events(begin, harness.now()) == Listed((), is_whole=False)
