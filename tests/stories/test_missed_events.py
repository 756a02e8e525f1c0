"""L17: events at a processor during an outage of the webhook are caught up, once.

The processors are the adapters for Stripe and PayPal, connected to the stand-ins.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.processors.paypal.stand_in import READS_DISPUTES
from tests.processors.stripe_stand_in import PAYS
from webapp.actions.payments import catch_up as catching_up
from webapp.actions.payments.receive_event import Receipt
from webapp.background import scheduler
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.processor_events import EventPosition, ProcessorEvent
from webapp.processors.stripe import events as stripe_events
from webapp.reads.ledger.ledger_check import check_ledger
from webapp.reads.payments.processor_events import read_event_status

pytestmark = pytest.mark.story


def catch_up(world):
    """Run once and return the number of missed events found."""
    world.session.rollback()
    return catching_up.catch_up(world.ctx)


def position_of(world, name):
    world.session.rollback()
    return read_event_status(world.ctx, name)


def moves(world):
    """Return the ledger entries other than payments."""
    return [entry for entry in world.entries if entry[0] != "payment"]


def awaiting_operator(world):
    """Return the references of the events that await the operator."""
    world.session.rollback()
    return [one.reference for one in unmatched_events.waiting(world.session)]


def agrees(world):
    world.session.rollback()
    return check_ledger(world.session, world.books.paid_charges).differences == ()


def test_stripe_events_of_a_five_day_outage_are_caught_up(world, stripe):
    """L7, L17: a refund and a dispute are debited once, however late their webhooks arrive."""
    stripe.card()
    refunded, disputed = stripe.pay(), stripe.pay()
    assert set(stripe.deliver()) == {Receipt.DONE}
    world.clock.advance(hours=1)
    assert catch_up(world) == 0, "every event has come by webhook"

    # The host goes down.
    world.clock.advance(days=1)
    stripe.refund(refunded, "40.00")
    world.clock.advance(days=2)
    stripe.there.dispute(disputed)
    world.clock.advance(days=2)
    stripe.lose_webhooks()
    assert world.balance == "300.00"

    # The host is up again.
    assert catch_up(world) == 3
    assert sorted(moves(world)) == [("dispute", "-100.00"), ("refund", "-40.00")]
    assert world.balance == "160.00"
    assert len(world.mails_of("taken_back")) == 2

    assert set(stripe.deliver(stripe.lost)) == {Receipt.KNOWN}
    world.pass_time(hours=1)
    assert world.balance == "160.00"
    assert agrees(world)


def test_paypal_events_of_a_five_day_outage_are_caught_up(world, paypal):
    """L7, L17: an inquiry becomes a claim and is lost meanwhile; another payment is refunded."""
    paypal.agreement()
    refunded, disputed = paypal.pay(), paypal.pay()
    paypal.deliver()
    world.clock.advance(hours=1)
    assert catch_up(world) == 0

    inquiry = paypal.there.dispute(disputed, stage="INQUIRY")
    world.clock.advance(days=1)
    paypal.there.refund(refunded, "40.00")
    world.clock.advance(days=2)
    paypal.there.escalate(inquiry)
    world.clock.advance(days=2)
    paypal.there.end_dispute(inquiry, "RESOLVED_BUYER_FAVOUR")
    paypal.lose_webhooks()
    world.clock.advance(hours=1)
    assert world.balance == "300.00"

    assert catch_up(world) == 5
    assert sorted(moves(world)) == [("dispute", "-100.00"), ("refund", "-40.00")]
    assert world.balance == "160.00"

    late = paypal.lost[-2:]  # the others were sent too long ago
    assert set(paypal.deliver(late)) == {Receipt.KNOWN}
    world.pass_time(hours=1)
    assert world.balance == "160.00"
    assert agrees(world)


def test_an_inquiry_takes_nothing_before_it_is_a_claim(world, paypal):
    """L7: the claim is debited once, and credited back when it is won."""
    paypal.agreement()
    capture = paypal.pay()
    inquiry = paypal.there.dispute(capture, stage="INQUIRY")
    paypal.deliver()
    world.pass_time(days=19)
    assert world.balance == "200.00"

    paypal.there.escalate(inquiry)
    paypal.deliver()
    world.pass_time(days=1)
    assert world.balance == "100.00"

    paypal.there.end_dispute(inquiry, "RESOLVED_SELLER_FAVOUR")
    paypal.deliver()
    world.pass_time(days=1)
    assert world.balance == "200.00"
    assert moves(world) == [("dispute", "-100.00"), ("dispute", "100.00")]
    assert agrees(world)


def test_a_dispute_read_after_its_reversal_was_booked_is_debited_once(world, paypal):
    """L7, L9: PayPal reports reversal and dispute for the same money, and the operator decides."""
    paypal.agreement()
    capture = paypal.pay()
    paypal.there.scopes.discard(READS_DISPUTES)
    paypal.there.end_access_tokens()
    dispute = paypal.there.dispute(capture, "40.00")
    reversal = paypal.there.reverse(capture, "40.00")["id"]
    assert set(paypal.deliver()) == {Receipt.DONE}
    assert moves(world) == [("reversal", "-40.00")]
    assert awaiting_operator(world) == [dispute, f"{reversal} (cause)"]

    world.pass_time(days=3)
    paypal.there.scopes.add(READS_DISPUTES)
    paypal.there.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR", "40.00")
    paypal.deliver(paypal.there.deliveries()[:1])
    world.pass_time(days=1)

    assert moves(world) == [("reversal", "-40.00")]
    assert f"{dispute} (same money)" in awaiting_operator(world)
    assert dispute not in awaiting_operator(world)
    assert agrees(world)


def test_a_disabled_endpoint_is_reported_until_a_webhook_arrives(world, stripe, client):
    """L17: the balance is right within the hour, and the operator sees why it was late."""
    stripe.card()
    key = stripe.pay()
    stripe.deliver()
    world.pass_time(hours=2)
    assert "warning" not in client.get("/readyz").text

    stripe.refund(key, "40.00")
    stripe.lose_webhooks()
    world.clock.advance(hours=1)
    world.run("catch up")

    assert world.balance == "160.00"
    lines = client.get("/readyz").text.splitlines()
    assert lines[0] == "ready"
    assert "warning: stripe: 2 events found by listing since the last webhook" in lines[1]
    assert lines[2] == "Last event from stripe received 2026-11-22 13:00 UTC"
    assert "ballast_events_without_webhook 2.0" in client.get("/metrics").text

    stripe.refund(key, "1.00")
    world.clock.advance(minutes=1)
    stripe.deliver()
    assert "warning" not in client.get("/readyz").text


def test_an_unavailable_processor_is_queried_again_the_next_hour(world, stripe, client):
    """L17: its events are caught up, and until then the operator sees a warning."""
    stripe.card()
    key = stripe.pay()
    stripe.deliver()
    world.pass_time(hours=1)
    before = position_of(world, "stripe").caught_up_to
    stripe.refund(key, "40.00")
    stripe.lose_webhooks()
    stripe.there.is_away = True

    world.pass_time(hours=2)

    assert position_of(world, "stripe").caught_up_to == before
    answer = client.get("/readyz", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    (warning,) = answer.json["warnings"]
    assert warning["code"] == "events"
    assert "Events could not be listed" in warning["sentence"]
    assert [note["code"] for note in answer.json["notes"]] == ["last_event"]

    stripe.there.is_away = False
    world.pass_time(hours=1)
    assert world.balance == "160.00"
    assert position_of(world, "stripe").trouble == ""


def test_the_position_stays_before_an_event_that_could_not_be_followed(world, paypal):
    """L17: the other events are applied, and this one is listed again until it is."""
    paypal.agreement()
    capture = paypal.pay()
    world.pass_time(hours=1)
    paypal.there.refund(capture, "10.00")
    world.clock.advance(hours=30)
    paypal.there.refund(capture, "20.00")
    paypal.lose_webhooks()
    world.clock.advance(hours=30)
    before = position_of(world, "paypal").caught_up_to
    paypal.there.fail_next(500, "/v2/payments/refunds")

    assert catch_up(world) == 1
    assert moves(world) == [("refund", "-20.00")]
    assert position_of(world, "paypal").caught_up_to == before
    assert "could not be processed" in position_of(world, "paypal").trouble

    assert catch_up(world) == 1
    assert moves(world) == [("refund", "-20.00"), ("refund", "-10.00")]
    assert position_of(world, "paypal").caught_up_to == world.clock.now() - catching_up.GRACE
    assert position_of(world, "paypal").trouble == ""


def test_a_limited_run_is_continued_by_the_next(world, stripe, monkeypatch):
    """L17: a span with too many events is shortened, and no event is skipped."""
    monkeypatch.setattr(catching_up, "SPANS", 2)
    monkeypatch.setattr(stripe_events, "PAGE", 3)
    monkeypatch.setattr(stripe_events, "PAGES", 2)
    stripe.card()
    key = stripe.pay()
    stripe.deliver()
    world.pass_time(hours=1)
    for _ in range(12):
        world.clock.advance(hours=1)
        stripe.refund(key, "1.00")
    stripe.lose_webhooks()
    world.clock.advance(hours=1)

    runs = []
    while position_of(world, "stripe").caught_up_to < world.clock.now() - catching_up.GRACE:
        runs.append(catch_up(world))

    assert sum(runs) == 24
    assert len(runs) > 2
    assert moves(world) == [("refund", "-1.00")] * 12
    assert catch_up(world) == 0


def test_an_outage_longer_than_the_processors_retention_is_reported(world, stripe):
    """L17, L9: the last 30 days are caught up; the operator compares the rest."""
    stripe.card()
    early, late = stripe.pay(), stripe.pay()
    stripe.deliver()
    world.pass_time(hours=1)
    world.clock.advance(days=2)
    stripe.refund(early, "10.00")
    world.clock.advance(days=20)
    stripe.refund(late, "20.00")
    world.clock.advance(days=18)
    stripe.lose_webhooks()

    for _ in range(2):
        catch_up(world)

    assert moves(world) == [("refund", "-20.00")]
    (waiting,) = unmatched_events.waiting(world.session)
    assert waiting.reference == "events from 2026-11-22 10:50 to 2026-12-02 11:00"
    assert "Compare the refunds and disputes" in waiting.what


def test_the_first_run_starts_at_the_first_card(world, stripe):
    """L17: events missed by an older version are caught up; earlier ones are ignored."""
    stripe.there.pay_elsewhere(stripe.there.save(PAYS).partition("/")[0])
    world.clock.advance(days=3)
    stripe.card()
    key = stripe.pay()
    world.clock.advance(days=1)
    stripe.refund(key, "40.00")
    stripe.lose_webhooks()
    world.clock.advance(days=8)

    catch_up(world)

    assert world.balance == "160.00"
    assert awaiting_operator(world) == []


def test_a_clock_that_was_ahead_hides_no_events(world, stripe):
    """L17: the position is never later than now."""
    stripe.card()
    key = stripe.pay()
    stripe.deliver()
    world.clock.advance(days=2)
    catch_up(world)
    world.clock.advance(days=-2)
    catch_up(world)
    world.clock.advance(hours=1)
    stripe.refund(key, "40.00")
    stripe.lose_webhooks()
    world.clock.advance(hours=1)

    catch_up(world)

    assert world.balance == "160.00"


def test_events_after_a_run_with_a_clock_ahead_are_caught_up(world, stripe):
    """L17: the host is down for days after such a run, and returns with the right time."""
    stripe.card()
    key = stripe.pay()
    stripe.deliver()
    world.clock.advance(days=300)
    catch_up(world)
    world.clock.advance(days=-300)
    stripe.refund(key, "40.00")
    world.clock.advance(days=4)
    stripe.lose_webhooks()

    catch_up(world)

    assert world.balance == "160.00"


def test_a_key_that_may_not_list_events_is_reported_once_l17(world, stripe):
    """L17, L9: as a warning for months; then the operator compares one gap."""
    stripe.card()
    stripe.pay()
    stripe.deliver()
    world.pass_time(hours=1)
    stripe.there.lists_events = False
    for _ in range(50):
        world.clock.advance(days=1)
        catch_up(world)
    assert awaiting_operator(world) == []
    assert position_of(world, "stripe").is_behind

    stripe.there.lists_events = True
    for _ in range(2):
        catch_up(world)
        world.clock.advance(hours=1)
    assert len(awaiting_operator(world)) == 1
    assert position_of(world, "stripe").is_right


def test_concurrent_schedulers_and_a_late_webhook_apply_events_once(world, stripe):
    """L3, L17: the first one applies the event, and the others find it applied."""
    stripe.card()
    key = stripe.pay()
    stripe.deliver()
    world.pass_time(hours=1)
    for _ in range(3):
        stripe.refund(key, "10.00")
    stripe.lose_webhooks()
    world.clock.advance(hours=1)
    (job,) = [job for job in scheduler.JOBS if job.name == "catch up"]
    posted = [stripe.posted(event) for event in stripe.lost]
    client = world.app.test_client()
    world.session.rollback()

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(scheduler.run_job, world.app, job) for _ in range(2)]
        posts = [
            pool.submit(client.post, "/webhooks/stripe", data=body, headers=headers)
            for body, headers in posted
        ]
        assert {one.result(timeout=60).status_code for one in posts} == {200}
        for one in runs:
            one.result(timeout=60)

    assert moves(world) == [("refund", "-10.00")] * 3
    assert agrees(world)


def test_known_events_are_not_fetched_again(world, stripe):
    """L17: a run over known events costs one list request."""
    stripe.card()
    stripe.pay()
    stripe.deliver()
    world.pass_time(hours=1)
    before = len(stripe.there.requests)

    world.run("catch up")

    assert stripe.there.requests[before:] == ["GET /v1/events"]
    world.session.rollback()
    assert world.session.query(ProcessorEvent).filter_by(listed=True).count() == 0
    position = world.session.get_one(EventPosition, "stripe")
    assert world.clock.now() - position.caught_up_to == timedelta(minutes=10)
