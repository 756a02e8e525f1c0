"""Differences between the product and the model in `tests/model/`, as minimal walks."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.actions.payments.settle import settle
from webapp.actions.top_ups.top_up import start_attempt
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.top_ups.top_up import open_top_up
from webapp.ports import DeclineClass, Declined

pytestmark = pytest.mark.story


def restore(world, last4):
    return restore_method(world.ctx, world.account_id, world.method(last4).id)


def test_restoring_without_paying_keeps_the_count_of_declines(world):
    """T16, F4: 5 declines in a row without a success exclude a method, however often it is
    verified.

    Sun 22 to Mon 23 Nov 2026. Verifying reset the count, so a card without money could be tried for
    ever, once for each press of a button.
    """
    world.cards(VISA)
    world.refill()
    world.use("50.01")
    for _ in range(5):
        world.next_answer("decline", decline_code="insufficient_funds")
        world.work()
        if world.method("4242").declines_in_a_row < 5:
            restore(world, "4242")
        world.clock.advance(hours=5)

    assert world.tries == [("4242", "100.00", "declined")] * 5
    assert world.method("4242").standing(world.clock.now()) is MethodStatus.RESTED
    world.pay(world.method("4242"), "50.00")
    assert world.method("4242").standing(world.clock.now()) is MethodStatus.READY


def test_restoring_without_paying_does_not_hide_a_later_hard_decline(world):
    """F3, F8: the bank declined before the verification; only the answer came late."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.use("60.00")
    top_up = open_top_up(world.session, world.account_id)
    declined_at = world.clock.now()
    attempt_id = start_attempt(world.ctx, top_up.id)
    world.clock.advance(minutes=2)
    restore(world, "4242")
    stolen = Declined("stolen_card", DeclineClass.HARD, declined_at)
    settle(world.ctx, attempt_id, stolen)

    assert world.method("4242").is_blocked
    assert world.method("4242").suspended_until == declined_at + timedelta(hours=48)


def test_a_repeated_request_counts_on_the_day_it_took_money(world):
    """T10: a daily limit applies to charges taken that day, not to charges begun that day.

    Sun 22 Nov 2026, 23:50: the request is lost. At 0:20 it is repeated and paid. It counted for
    Sunday, so Monday's limit could be spent once more.
    """
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.clock.at = datetime(2026, 11, 22, 23, 50, tzinfo=UTC)
    world.next_answer("timeout_before_charge")
    world.use("60.00")
    world.work()
    world.pass_time(minutes=30)
    assert world.tries == [("4242", "100.00", "paid")]

    world.use("100.00")
    world.work()
    assert world.charges == [("4242", "100.00")]
    assert world.timeline[-1] == "cap_reached"
    world.pass_time(days=1)
    assert world.charges == [("4242", "100.00")] * 2


def test_a_charge_taken_before_midnight_counts_on_that_day(world):
    """T10: only its answer came the next day."""
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.clock.at = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    world.next_answer("timeout_after_charge")
    world.use("60.00")
    world.work()
    world.pass_time(minutes=2)
    world.use("100.00")
    world.work()
    assert world.charges == [("4242", "100.00")] * 2


def test_no_suspension_email_follows_a_link_email(world):
    """F11, F7: one email per suspension, even if the next method pays later."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("authentication_required", last4="4242")
    world.next_answer("timeout_after_charge", last4="4444")
    world.use("60.00")
    world.work()
    world.pass_time(seconds=10)

    assert world.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]
    assert world.mails == ["authentication_required", "receipt"]


def test_an_outcome_learned_after_an_hour_sends_no_unknown_email(world):
    """L10: after an hour the customer hears of an unknown outcome, unless it has just been learned.

    The scheduler was stopped, so the first query came after two hours and was answered.
    """
    world.cards(VISA)
    world.refill()
    world.next_answer("timeout_after_charge")
    world.use("60.00")
    world.work()
    world.pass_time(hours=2)
    assert world.mails == ["receipt"]
