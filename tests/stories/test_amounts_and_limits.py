"""The amount of a refill, and the limits that reduce it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import MASTERCARD, START, VISA, micros, with_bounds
from webapp.domain.accounts.account import Account
from webapp.domain.shared.policy import Automatic
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import LowBalanceSettings

pytestmark = pytest.mark.story

TARGET = {
    "refill_on": True,
    "refill_mode": "target",
    "threshold": "50.00",
    "target": "150.00",
    "largest_charge": "300.00",
}


def test_each_charge_is_exactly_the_refill_amount(world):
    """T9: a deep deficit needs several refills, each within the limits."""
    world.cards(VISA)
    world.refill(threshold="50.00", amount="100.00")
    world.use("212.34")
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]
    world.run("sweep")
    world.work()
    assert world.tries == [("4242", "100.00", "paid")] * 2
    assert world.balance == "87.66"


def test_a_balance_exactly_at_the_threshold_needs_no_refill(world):
    """T9, T3: it is not below the threshold."""
    world.cards(VISA)
    world.refill(threshold="50.00", amount="100.00")
    world.use("150.00")  # −50: one refill results in exactly 50
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


def test_a_charge_to_a_target_is_at_most_the_largest_charge(world):
    """T9: the rest is another refill with its own line."""
    world.cards(VISA)
    world.apply(**TARGET)
    world.use("500.00")
    world.work()
    assert world.tries == [("4242", "300.00", "paid")]
    world.run("sweep")
    world.work()
    assert world.tries[1] == ("4242", "250.00", "paid")
    assert world.balance == "150.00"


def test_a_refill_to_a_target_charges_the_gap(world):
    """T9: the gap in whole cents, rounded up."""
    world.cards(VISA)
    world.apply(**TARGET)
    world.use("60.004567")
    world.work()
    assert world.tries == [("4242", "110.01", "paid")]
    assert world.balance == "150.005433"


def test_a_small_gap_is_charged_as_the_minimum_payment(world):
    """T9: at least PAYMENT_MIN."""
    world.cards(VISA)
    world.apply(**TARGET | {"target": "50.00"})
    world.use("51.00")
    world.work()
    assert world.tries == [("4242", "30.00", "paid")]


def test_the_daily_limit_applies_in_the_accounts_time_zone(world):
    """T10: the charge is reduced to the limit, then refused once with a line and an email, and
    possible again the next day.
    """
    world.cards(VISA)
    world.refill(day_limit="150.00")
    world.use("60.00")
    world.work()
    world.use("100.00")
    world.work()
    assert [amount for _, amount, _ in world.tries] == ["100.00", "50.00"]
    world.use("100.00")
    world.use("10.00")
    world.work()
    assert len(world.tries) == 2
    assert world.timeline[-1] == "cap_reached"
    assert len(world.mails_of("limit_reached")) == 1
    assert "$150.00 a day" in world.lines[-1].sentence

    world.clock.at = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    world.run()
    assert len(world.tries) == 2
    world.clock.at = datetime(2026, 11, 23, 0, 0, 0, tzinfo=UTC)
    world.run("sweep", "top up")
    assert len(world.tries) == 3


def test_manual_payments_neither_count_nor_are_stopped_by_limits(world):
    """T10."""
    (visa,) = world.cards(VISA)
    world.refill(day_limit="100.00")
    world.pay(visa, "500.00")
    world.use("560.00")
    world.work()
    assert world.tries[-1] == ("4242", "100.00", "paid")
    world.pay(visa, "500.00")
    assert world.tries[-1] == ("4242", "500.00", "paid")


def test_a_charge_with_an_unknown_outcome_counts(world):
    """T10: the money may have been taken."""
    world.cards(VISA, MASTERCARD)
    world.refill(day_limit="100.00")
    world.next_answer("timeout_after_charge")
    world.use("60.00")
    world.work()
    world.pass_time(seconds=10)
    world.use("100.00")
    world.work()
    assert len(world.tries) == 1
    assert world.timeline[-1] == "cap_reached"


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Pacific/Auckland"])
def test_a_charge_with_an_unknown_outcome_counts_in_each_time_zone(world, zone):
    """T10: the account's day begins after or before the day in UTC."""
    account = world.session.get_one(Account, world.account_id)
    account.time_zone = zone
    world.session.commit()
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.next_answer("timeout_after_charge")
    world.use("60.00")
    world.work()
    assert top_ups.gather(world.ctx, account).spent_today == micros("100.00")


def test_a_declined_charge_does_not_count(world):
    """T10: only money that was or may have been taken counts."""
    world.cards(VISA, MASTERCARD)
    world.refill(day_limit="100.00")
    world.next_answer("decline", decline_code="do_not_honor")
    world.use("60.00")
    world.work()
    assert world.tries[-1] == ("4444", "100.00", "paid")


def test_the_fourth_refill_in_ten_minutes_pauses(world):
    """T10: it is not charged; Resume starts an empty window."""
    from webapp.actions.top_ups.resume_automatic import resume_automatic

    world.cards(VISA)
    world.refill(no_day_limit=True)
    for turn in range(6):
        world.use("100.00")
        world.work()
        world.clock.advance(minutes=1)
        if turn == 2:
            assert LowBalanceSettings.of(world.session, world.account_id).paused_at is None
    assert len(world.tries) == 3
    assert world.timeline[-1] == "paused"
    assert LowBalanceSettings.of(world.session, world.account_id).paused_at == START + timedelta(
        minutes=3
    )
    assert len(world.mails_of("paused")) == 1
    world.pass_time(hours=5)
    assert len(world.tries) == 3

    resume_automatic(world.ctx, world.account_id)
    world.work()
    assert len(world.tries) == 4


@pytest.mark.parametrize(
    ("switch", "code"),
    [(Automatic.OFF, "automatic_payments_off"), (Automatic.DRY_RUN, "dry_run")],
)
def test_the_installations_switch_stops_charges(world, switch, code):
    """T10: "off" charges nothing; a dry run records every decision and charges nothing."""
    world.policy = replace(world.policy, automatic=switch)
    world.services = replace(world.services, policy=world.policy)
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    world.work()
    assert world.tries == []
    assert world.timeline[-1] == code


def test_settings_made_invalid_by_a_new_limit_stop_the_refill(world):
    """T9: settings are checked again at the moment of charging."""
    world.cards(VISA)
    world.refill(amount="30.00")
    world.policy = with_bounds(world.policy, payment_min=60_000_000)
    world.services = replace(world.services, policy=world.policy)
    world.use("60.00")
    world.work()
    assert world.tries == []
    assert world.timeline[-1] == "settings_out_of_bounds"
