"""What PayPal tells afterwards: whose it is, what it is about, and that nothing counts twice."""

import json
from datetime import timedelta

import pytest

from tests.processors.contract import BACK, HUNDRED, told_of, wish
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
    Reversed,
    Settled,
    TakenBack,
    TakenBackState,
    Unknown,
)
from webapp.processors.paypal import events as paypal_events


@pytest.fixture
def harness():
    with serving() as harness:
        yield harness


@pytest.fixture
def paid(harness):
    """The key of a payment of 100, and the number of its capture."""
    request = wish(harness.paying())
    answer = harness.processor.charge(request)
    return request.key, answer.reference


def told(harness, kind, resource, resource_type="capture"):
    """What comes of one message."""
    headers, body = harness.there.event(kind, resource, resource_type)
    return told_of(harness, body, headers)


def all_told(harness):
    return [
        it for headers, body in harness.there.deliveries() for it in told_of(harness, body, headers)
    ]


def taken_back(happenings):
    return {
        (it.reference, it.kind, it.state, it.amount // MICROS)
        for it in happenings
        if isinstance(it, Reversed)
    }


# Whose it is


def test_it_is_verified_as_it_came_byte_for_byte(harness):
    """A body whose spaces and escapes would not survive being written anew."""
    raw = b'{"id":"WH-1",  "event_type": "BILLING.PLAN.CREATED","resource":{"a":"\\u00e9","b":1.0}}'
    headers, _ = harness.there.sign(raw)

    assert harness.processor.open_event(raw, headers) == Event("WH-1", "")


def test_the_names_of_headers_are_in_any_case(harness):
    headers, raw = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    headers = {name.lower(): value for name, value in headers.items()}

    assert isinstance(harness.processor.open_event(raw, headers), Event)


@pytest.mark.parametrize("name", ["TRANSMISSION-ID", "TRANSMISSION-SIG", "TRANSMISSION-TIME"])
def test_a_signature_of_another_message_is_turned_away(harness, name):
    headers, raw = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    harness.move_clock(timedelta(seconds=1))
    other, _ = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-2"}, "plan")
    headers[f"PAYPAL-{name}"] = other[f"PAYPAL-{name}"]

    assert isinstance(harness.processor.open_event(raw, headers), Forged)


def test_another_merchants_message_is_turned_away(harness):
    headers, raw = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")

    assert isinstance(harness.adapter(webhook_id="9XY").open_event(raw, headers), Forged)
    assert isinstance(harness.adapter(webhook_id="").open_event(raw, headers), Forged)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b'{"id": "1"}', b"\xff", b'{"id":'])
def test_what_is_no_message_is_turned_away(harness, raw):
    headers, _ = harness.there.sign(raw)

    assert isinstance(harness.processor.open_event(raw, headers), Forged)


def test_what_cannot_even_be_read_is_turned_away(harness):
    """Before PayPal is asked: anyone can send it. 26 November 2026: it was a fault of ours."""
    deep = b"[" * 200_000
    headers, raw = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    first_day = {**headers, "PAYPAL-TRANSMISSION-TIME": "0001-01-01T00:00:00+14:00"}

    assert isinstance(harness.processor.open_event(deep, headers), Forged)
    assert isinstance(harness.processor.open_event(raw, first_day), Forged)


def test_a_message_from_the_future_is_turned_away(harness):
    harness.move_clock(timedelta(hours=1))
    headers, raw = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    harness.move_clock(timedelta(hours=-1))

    assert isinstance(harness.processor.open_event(raw, headers), Forged)


def test_a_message_of_three_days_ago_is_believed(harness, paid):
    """So long PayPal tries where nobody has answered."""
    harness.there.refund(paid[1], "40.00")
    ((headers, raw),) = harness.there.deliveries()
    harness.move_clock(timedelta(days=3))

    assert taken_back(told_of(harness, raw, headers))


@pytest.mark.parametrize("kind", [401, 429, 500, "lose_answer"])
def test_a_signature_that_cannot_be_checked_is_not_judged(harness, kind):
    """PayPal then delivers again."""
    headers, raw = harness.there.event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
    for _ in range(2):
        harness.there.trouble(kind, "verify-webhook")

    answer = harness.processor.open_event(raw, headers)

    assert isinstance(answer, Unknown | RequestRejected)


# What it is about


def test_a_payment_that_was_let_go_is_told(harness):
    """L10: held, and then completed or denied."""
    reference = harness.agreement("pending@example.com")
    good, bad = wish(reference), wish(reference)
    for request in (good, bad):
        harness.processor.charge(request)
    first, second = harness.there.captures()
    assert told(harness, "PAYMENT.CAPTURE.PENDING", first) == []

    harness.there.hold(first["id"], "COMPLETED")
    harness.there.hold(second["id"], "DECLINED")

    (paid,) = told(harness, "PAYMENT.CAPTURE.COMPLETED", first)
    (declined,) = told(harness, "PAYMENT.CAPTURE.DECLINED", second)
    assert (paid.key, type(paid.answer)) == (good.key, Paid)
    assert (declined.key, type(declined.answer)) == (bad.key, Declined)


def test_a_payer_who_agreed_and_did_not_come_back_has_paid(harness):
    request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
    asked = harness.processor.charge(request)
    harness.confirm(asked.address)
    order = harness.there.orders[asked.reference]

    (settled,) = told(harness, "CHECKOUT.ORDER.APPROVED", order, "checkout-order")

    assert isinstance(settled.answer, Paid)
    assert harness.taken() == [(request.key, HUNDRED, "USD")]


def test_what_was_given_up_is_not_taken_by_a_message(harness):
    """F9"""
    request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
    asked = harness.processor.charge(request)
    harness.processor.cancel(request.key)
    harness.confirm(asked.address)
    order = harness.there.orders[asked.reference]

    told(harness, "CHECKOUT.ORDER.APPROVED", order, "checkout-order")

    assert harness.taken() == []


def test_amounts_and_states_in_the_message_are_not_believed(harness, paid):
    """L9: only its numbers are used."""
    key = paid[0]
    forged = {**harness.there.captures()[0], "status": "REFUNDED", "custom_id": "attempt-other"}
    forged["amount"] = {"currency_code": "EUR", "value": "1000000.00"}

    (settled,) = told(harness, "PAYMENT.CAPTURE.COMPLETED", forged)

    assert settled == Settled(key, harness.processor.ask(key))
    assert settled.answer.amount == HUNDRED


def test_an_order_that_somebody_else_made_in_our_name_is_not_credited(harness, paid):
    """L9: whoever knows a client id can begin an order there, and write our key into it."""
    strange = {**harness.there.captures()[0], "id": "STRANGE1", "invoice_id": "other"}
    order = {**next(iter(harness.there.orders.values())), "id": "STRANGEORDER"}
    order["purchase_units"] = [{**order["purchase_units"][0], "payments": {"captures": [strange]}}]
    harness.there.orders["STRANGEORDER"] = order

    (stray,) = told(harness, "PAYMENT.CAPTURE.COMPLETED", strange)
    approved = told(harness, "CHECKOUT.ORDER.APPROVED", order, "checkout-order")

    assert isinstance(stray, NeedsOperator)
    assert (stray.reference, stray.amount, stray.currency) == ("STRANGE1", HUNDRED, "USD")
    assert approved == []


def test_the_shop_that_shares_the_account_is_of_no_concern(harness, paid):
    """Payments, refunds and disputes of it are none of ours."""
    capture = harness.there.captures()[0]
    capture["custom_id"] = "basket-77"

    assert told(harness, "PAYMENT.CAPTURE.COMPLETED", capture) == []
    harness.there.refund(capture["id"], "10.00")
    harness.there.end_dispute(harness.there.dispute(capture["id"]), "RESOLVED_BUYER_FAVOUR")
    assert all_told(harness) == []


def test_several_partial_refunds_are_each_their_own(harness, paid):
    """L7"""
    for value in ("10.00", "10.00", "30.00"):
        harness.there.refund(paid[1], value)

    happenings = all_told(harness)

    assert sorted(amount for _, _, _, amount in taken_back(happenings)) == [10, 10, 30]


def test_a_lost_dispute_takes_the_money_once(harness, paid):
    """L7: PayPal tells it as the dispute and as the reversal that it brings about."""
    dispute = harness.there.dispute(paid[1])
    harness.there.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")

    happenings = all_told(harness)

    assert taken_back(happenings) == {(dispute, TakenBack.DISPUTE, TakenBackState.LOST, 100)}


def test_a_reversal_without_a_dispute_is_its_own(harness, paid):
    """L7: as when a bank takes back a debit."""
    made = harness.there.reverse(paid[1], "100.00")

    assert taken_back(all_told(harness)) == {
        (made["id"], TakenBack.REVERSAL, TakenBackState.TAKEN, 100)
    }


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("RESOLVED_SELLER_FAVOUR", TakenBackState.RETURNED),
        ("RESOLVED_WITH_PAYOUT", TakenBackState.RETURNED),
        ("CANCELED_BY_BUYER", TakenBackState.RETURNED),
        ("DENIED", TakenBackState.RETURNED),
        ("ACCEPTED", TakenBackState.LOST),
    ],
)
def test_how_disputes_end(harness, paid, outcome, state):
    """L7"""
    dispute = harness.there.dispute(paid[1])
    harness.there.end_dispute(dispute, outcome)

    assert {it[2] for it in taken_back(all_told(harness))} == {state}


def for_operator(happenings):
    return {it.reference: it.what for it in happenings if isinstance(it, NeedsOperator)}


@pytest.mark.parametrize("outcome", ["NONE", "", "SOMETHING_NEW"])
def test_an_ending_that_does_not_say_where_the_money_is_goes_before_the_operator(
    harness, paid, outcome
):
    """L7, L9: as when another dispute goes on about the same payment."""
    dispute = harness.there.dispute(paid[1])
    assert {it[2] for it in taken_back(all_told(harness))} == {TakenBackState.TAKEN}
    harness.there.end_dispute(dispute, outcome)

    happenings = all_told(harness)

    assert taken_back(happenings) == set()
    assert list(for_operator(happenings)) == [f"{dispute} (ending)"]
    assert (outcome or "no outcome") in for_operator(happenings)[f"{dispute} (ending)"]


def test_an_inquiry_takes_nothing_and_a_claim_takes_the_money_once(harness, paid):
    """L7: the two parties talk first; escalated, it is the same dispute."""
    dispute = harness.there.dispute(paid[1], stage="INQUIRY")
    assert taken_back(all_told(harness)) == set()

    harness.there.escalate(dispute)
    claim = {(dispute, TakenBack.DISPUTE, TakenBackState.TAKEN, 100)}
    assert taken_back(all_told(harness)) == claim
    harness.there.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")

    lost = {(dispute, TakenBack.DISPUTE, TakenBackState.LOST, 100)}
    assert taken_back(all_told(harness)) == lost


@pytest.mark.parametrize("stage", ["CHARGEBACK", "PRE_ARBITRATION", "ARBITRATION"])
def test_every_later_stage_is_a_claim(harness, paid, stage):
    """L7"""
    harness.there.dispute(paid[1], stage=stage)

    assert {it[2] for it in taken_back(all_told(harness))} == {TakenBackState.TAKEN}


def test_an_inquiry_for_which_paypal_has_debited_the_seller_takes_the_money(harness, paid):
    """L7: whatever its stage is called, the money is gone; a fee is no part of it."""
    dispute = harness.there.dispute(paid[1], stage="INQUIRY")
    harness.there.move_money(dispute, "DEBIT", "20.00", reason="DISPUTE_FEE")
    assert taken_back(all_told(harness)) == set()

    harness.there.move_money(dispute, "DEBIT", "100.00")
    taken = {(dispute, TakenBack.DISPUTE, TakenBackState.TAKEN, 100)}
    assert taken_back(all_told(harness)) == taken

    harness.there.move_money(dispute, "CREDIT", "100.00")
    assert taken_back(all_told(harness)) == set()


@pytest.mark.parametrize("outcome", ["RESOLVED_BUYER_FAVOUR", "ACCEPTED", "NONE", ""])
def test_an_inquiry_that_ends_against_the_seller_or_unknown_goes_before_the_operator(
    harness, paid, outcome
):
    """L7, L9: PayPal shows no debit, and a refund has its own event."""
    dispute = harness.there.dispute(paid[1], stage="INQUIRY")
    harness.there.end_dispute(dispute, outcome)

    happenings = all_told(harness)

    assert taken_back(happenings) == set()
    assert "closed this inquiry" in for_operator(happenings)[f"{dispute} (ending)"]


def test_an_inquiry_does_not_hide_a_reversal(harness, paid):
    """L7: it has not caused it."""
    harness.there.dispute(paid[1], stage="INQUIRY")
    made = harness.there.reverse(paid[1], "100.00")

    assert taken_back(all_told(harness)) == {
        (made["id"], TakenBack.REVERSAL, TakenBackState.TAKEN, 100)
    }


@pytest.fixture
def without_disputes(harness):
    """The app's feature *Disputes* is switched off."""
    harness.there.scopes.discard(READS_DISPUTES)
    harness.there.end_access()


def test_a_reversal_is_booked_although_disputes_cannot_be_read(harness, paid, without_disputes):
    """L7, L9: the evidence tells the operator which feature to enable."""
    made = harness.there.reverse(paid[1], "40.00")

    happenings = all_told(harness)

    assert taken_back(happenings) == {(made["id"], TakenBack.REVERSAL, TakenBackState.TAKEN, 40)}
    assert "switch Disputes on" in for_operator(happenings)[f"{made['id']} (cause)"]


def test_a_dispute_that_cannot_be_read_goes_before_the_operator(harness, paid, without_disputes):
    """L7, L9: it is taken, for PayPal would deliver it in vain for three days."""
    dispute = harness.there.dispute(paid[1])

    (told,) = all_told(harness)

    assert (told.reference, told.amount, told.currency) == (dispute, 0, "")
    assert "switch Disputes on" in told.what


def test_the_feature_works_from_the_next_event_on(harness, paid, without_disputes):
    """L7: an access token keeps its scopes for hours, so a new one is asked for."""
    dispute = harness.there.dispute(paid[1])
    assert taken_back(all_told(harness)) == set()
    harness.there.scopes.add(READS_DISPUTES)

    harness.there.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")

    assert taken_back(all_told(harness)) == {(dispute, TakenBack.DISPUTE, TakenBackState.LOST, 100)}


def test_a_refund_that_did_not_reach_the_payer_comes_back(harness, paid):
    """L7"""
    made = harness.there.refund(paid[1], "40.00")
    made["status"] = "FAILED"

    assert taken_back(all_told(harness)) == {
        (made["id"], TakenBack.REFUND, TakenBackState.RETURNED, 40)
    }


def test_a_deleted_token_that_still_stands_is_not_gone(harness):
    """M13: asked for anew, whatever the message says."""
    reference = harness.paying()

    assert told(harness, "VAULT.PAYMENT-TOKEN.DELETED", {"id": reference}, "payment_token") == []
    harness.there.take_back(reference)
    (gone,) = all_told(harness)
    assert isinstance(gone, MethodGone)


@pytest.mark.parametrize("where", ["/v2/payments", "/v2/checkout/orders", "/v1/customer/disputes"])
@pytest.mark.parametrize("kind", [429, 500, "lose_answer"])
def test_what_cannot_be_looked_up_now_is_not_passed_over(harness, paid, where, kind):
    """L7: PayPal delivers it again."""
    harness.there.dispute(paid[1])
    ((headers, raw),) = harness.there.deliveries()
    event = harness.processor.open_event(raw, headers)
    harness.there.trouble(kind, where)

    assert isinstance(harness.processor.happenings(event), Unknown | RequestRejected)
    assert taken_back(harness.processor.happenings(event))


def test_a_body_of_another_shape_is_no_crash(harness, paid):
    dispute = harness.there.dispute(paid[1])
    harness.there.disputes[dispute]["dispute_amount"] = {"value": "much"}
    ((headers, raw),) = harness.there.deliveries()

    event = harness.processor.open_event(raw, headers)

    assert isinstance(harness.processor.happenings(event), Unknown)
    assert json.loads(raw)["resource"]["dispute_id"] == dispute


def test_a_listed_event_of_another_shape_is_not_passed_over(harness, paid):
    """L17: it is no crash either, and the list is asked for again."""
    begin = harness.now()
    harness.there.refund(paid[1], "40.00")
    harness.there.log[-1]["resource"] = {}
    harness.move_clock(timedelta(minutes=1))

    assert isinstance(harness.processor.list_events(begin, harness.now()), Unknown)


@pytest.mark.parametrize(("kind", "answer"), [(403, RequestRejected), (500, Unknown)])
def test_a_list_that_is_not_answered_is_told(harness, kind, answer):
    """L17"""
    harness.there.trouble(kind, "webhooks-events")

    assert isinstance(harness.processor.list_events(harness.now(), harness.now()), answer)


def test_more_events_than_are_listed_at_once_are_no_whole_span(harness, paid, monkeypatch):
    """L17: the span is made shorter, and nothing of it is taken before."""
    monkeypatch.setattr(paypal_events, "PAGES", 2)
    begin = harness.now()
    for _ in range(2 * paypal_events.PAGE + 1):
        harness.there.refund(paid[1], "1.00")
    harness.move_clock(timedelta(minutes=1))

    assert harness.processor.list_events(begin, harness.now()) == Listed((), is_whole=False)
