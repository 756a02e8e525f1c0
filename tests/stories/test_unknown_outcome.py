"""Unknown outcomes: nothing else is charged until the processor was queried."""

import pytest
from sqlalchemy.orm import Session

from tests.factories import VISA
from webapp.actions.payments.reconcile import reconcile
from webapp.extensions import db

pytestmark = pytest.mark.story


def test_no_second_method_is_charged_while_the_outcome_is_unknown(covered):
    """T7, L3: the charge was booked and its answer lost; the query credits it once."""
    covered.next_answer("timeout_after_charge")
    covered.use("60.00")
    covered.work()
    covered.run("sweep", "top up")

    assert covered.tries == [("4242", "100.00", "unknown")]
    assert covered.balance == "40.00"
    assert covered.charges == [("4242", "100.00")]

    covered.pass_time(seconds=10)
    assert covered.tries == [("4242", "100.00", "paid")]
    assert covered.balance == "140.00"
    covered.pass_time(hours=2)
    assert covered.balance == "140.00"
    assert covered.mails.count("receipt") == 1


@pytest.mark.parametrize("trouble", ["timeout_before_charge", "server_error"])
def test_not_known_is_believed_after_half_an_hour(covered, trouble):
    """L10: then the same request is repeated under the same key."""
    covered.next_answer(trouble)
    covered.use("60.00")
    covered.work()
    key = covered.attempts[0].key

    for minutes in (0.2, 1, 5, 15, 8):
        covered.pass_time(minutes=minutes)
        assert covered.tries == [("4242", "100.00", "unknown")]
    covered.pass_time(hours=1)
    assert covered.tries == [("4242", "100.00", "paid")]
    assert covered.attempts[0].key == key
    assert covered.charges == [("4242", "100.00")]
    assert covered.balance == "140.00"


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_repeat_in_progress_is_not_overtaken(world, by_hand):
    """L10, L3: "not known" is not believed while another scheduler repeats the request.

    After half an hour without a scheduler two start. One repeats the request, and the processor is
    slow; an answer to the other one says nothing about that charge.
    """
    world.card(VISA)
    world.refill()
    world.next_answer("timeout_before_charge")
    if by_hand:
        world.pay(world.method("4242"), "100.00")
    else:
        world.use("60.00")
        world.work()
    world.clock.advance(minutes=31)
    world.next_answer("slow", seconds=30)
    world.next_answer("refuse_to_look")

    def think(seconds):
        if seconds == 30:
            world.clock.advance(seconds=seconds)
            world.apply(refill_on=False)  # nor is it abandoned as no longer wanted
            with Session(db.engine) as other:
                reconcile(world.on(other))

    world.services.processors["sandbox"]._sleep = think
    world.run("reconcile")
    assert world.tries == [("4242", "100.00", "paid")]
    assert world.charges == [("4242", "100.00")]


def test_the_customer_is_informed_of_an_unknown_outcome_after_an_hour(covered):
    """L10."""
    covered.next_answer("timeout_before_charge")
    covered.next_answer("timeout_before_charge")
    covered.use("60.00")
    covered.work()
    covered.pass_time(minutes=20)
    assert not covered.mails_of("still_unknown")
    covered.next_answer("timeout_before_charge")
    covered.next_answer("timeout_before_charge")
    covered.pass_time(minutes=50)
    covered.pass_time(hours=1)
    assert len(covered.mails_of("still_unknown")) == 1


def test_after_23_hours_only_the_operator_decides(covered):
    """L10: the key is too old to be repeated safely."""
    covered.next_answer("timeout_before_charge")
    covered.use("60.00")
    covered.work()
    covered.clock.advance(hours=23)
    covered.run("reconcile", "sweep", "top up")
    covered.pass_time(hours=2)

    assert covered.tries == [("4242", "100.00", "unknown")]
    assert covered.charges == []
    assert "An operator must decide" in covered.attempts[0].trouble


def test_a_crash_before_the_call_is_repaired(covered):
    """L3: the attempt was written, the processor never called; the request is queried and
    repeated.
    """
    from webapp.actions.top_ups.top_up import start_attempt
    from webapp.domain.top_ups.top_up import open_top_up

    covered.use("60.00")
    top_up = open_top_up(covered.session, covered.account_id)
    start_attempt(covered.ctx, top_up.id)

    covered.run("top up", "sweep")
    assert covered.tries == [("4242", "100.00", "started")]
    covered.pass_time(minutes=31)
    assert covered.tries == [("4242", "100.00", "paid")]
    assert covered.balance == "140.00"


def test_a_crash_between_charge_and_settlement_is_repaired(covered):
    """L3: the processor took the money before the outcome was written."""
    from webapp.actions.top_ups.top_up import start_attempt
    from webapp.domain.top_ups.top_up import open_top_up

    covered.use("60.00")
    top_up = open_top_up(covered.session, covered.account_id)
    start_attempt(covered.ctx, top_up.id)
    covered.services.processors["sandbox"].charge(covered.attempts[0].request())

    covered.pass_time(seconds=10)
    assert covered.balance == "140.00"
    assert covered.charges == [("4242", "100.00")]


def test_a_rejected_request_is_repeated_under_the_same_key(covered):
    """L8: no suspension and no fallback."""
    covered.next_answer("refuse_to_look")
    covered.use("60.00")
    covered.work()
    assert covered.tries == [("4242", "100.00", "refused")]
    covered.run("top up", "sweep")
    covered.pass_time(seconds=10)

    assert covered.tries == [("4242", "100.00", "paid")]
    assert covered.method("4242").failed_at is None


def test_evidence_that_does_not_match_credits_nothing(covered):
    """L9: the attempt stays open and goes before the operator."""
    from webapp.actions.payments.settle import settle
    from webapp.actions.top_ups.top_up import start_attempt
    from webapp.domain.top_ups.top_up import open_top_up
    from webapp.ports import Paid

    covered.use("60.00")
    top_up = open_top_up(covered.session, covered.account_id)
    attempt_id = start_attempt(covered.ctx, top_up.id)
    evidence = Paid("ch_other", 1_000_000, "USD", covered.clock.now())
    settle(covered.ctx, attempt_id, evidence)

    assert covered.balance == "40.00"
    assert covered.attempts[0].is_open
    assert "ch_other" in covered.attempts[0].mismatch
    assert covered.attempts[0].needs_operator
    assert covered.timeline[-1] == "evidence_does_not_match"


def test_a_second_answer_changes_nothing(covered):
    """L3: settled twice, credited once; a late decline does not undo a payment."""
    from webapp.actions.payments.settle import settle
    from webapp.ports import DeclineClass, Declined, Paid

    covered.use("60.00")
    covered.work()
    paid = covered.attempts[0]
    now = covered.clock.now()
    again = Paid(paid.processor_reference, paid.amount, paid.currency, now)
    late = Declined("do_not_honor", DeclineClass.SOFT, now)

    assert not settle(covered.ctx.at(now), paid.id, again)
    assert not settle(covered.ctx.at(now), paid.id, late)
    assert covered.balance == "140.00"
    assert covered.method("4242").failed_at is None
    assert covered.mails.count("receipt") == 1
