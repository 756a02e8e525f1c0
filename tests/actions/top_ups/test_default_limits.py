"""Default daily limits, and how accounts without a limit get one (T9, T10)."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.factories import VISA, micros
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.accounts.account import Account
from webapp.domain.top_ups.default_limit import busiest_day
from webapp.domain.top_ups.settings import Choice, LowBalanceSettings, RefillMode


def settings(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id)


def busiest(world):
    world.session.rollback()
    account = world.session.get_one(Account, world.account_id)
    return busiest_day(world.ctx, account)


def set_directly(world, **columns):
    """Set columns directly, as in an account saved before these limits were required."""
    for name, value in columns.items():
        setattr(settings(world), name, value)
        world.session.commit()


# The default


def test_the_default_is_five_times_the_refill_amount_t10(world):
    """T10, P2: and the audit log records it."""
    world.cards(VISA)
    world.refill(amount="120.00")
    assert settings(world).day_limit == micros("600.00")
    assert world.audits[-1][1]["changed"]["day_limit"] == [None, micros("600.00")]


def test_the_default_is_five_times_the_largest_charge_t10(world):
    """T10: in target mode."""
    world.cards(VISA)
    target = {"refill_mode": RefillMode.TARGET, "target": "150.00", "largest_charge": "310.00"}
    world.apply(refill_on=True, threshold="50.00", **target)
    assert settings(world).day_limit == micros("1550.00")


def test_the_default_is_twice_the_busiest_day_if_that_is_more_t10(world):
    """T10: rounded up to the cent, so that the default stops no busy customer."""
    world.cards(VISA)
    world.use("150.000001")
    world.use("100.00")
    world.refill(amount="30.00")
    assert settings(world).day_limit == micros("500.01")


def test_no_daily_limit_is_an_explicit_choice_t10(world):
    """T10: later changes keep it until a limit is applied."""
    world.cards(VISA)
    world.refill(no_day_limit=True)
    world.apply(threshold="60.00")
    assert (settings(world).day_limit, settings(world).no_day_limit) == (None, True)
    world.apply(no_day_limit=False)
    assert settings(world).day_limit == micros("500.00")
    world.apply(day_limit=None)
    assert settings(world).day_limit == micros("500.00")


def test_an_inactive_refill_needs_no_limit_t10(world):
    world.apply(refill_amount="100.00")
    assert settings(world).day_limit is None


# The busiest day


def test_the_busiest_day_counts_only_usage_l7_t10(world):
    """T10: neither payments nor adjustments count."""
    (visa,) = world.cards(VISA)
    world.use("70.00")
    world.pay(visa, "500.00")
    world.use("20.00")
    adjust_balance(world.ctx, world.account_id, micros("-40.00"), "Correction")  # fmt: skip
    assert busiest(world) == micros("90.00")


def test_the_busiest_day_covers_the_accounts_last_thirty_days_t10(world):
    """T10, P4: a day in New York begins at 05:00 UTC."""
    zone = ZoneInfo("America/New_York")
    world.session.get_one(Account, world.account_id).time_zone = zone.key
    world.session.commit()
    assert busiest(world) == 0
    for day, hour, amount in ((1, 12, "800"), (2, 1, "300"), (2, 23, "310"), (3, 1, "20")):
        world.clock.at = datetime(2026, 12, day, hour, tzinfo=zone)
        world.use(amount)
    assert busiest(world) == micros("800")
    world.clock.at = datetime(2026, 12, 30, 23, 59, tzinfo=zone)
    assert busiest(world) == micros("800")
    world.clock.at += timedelta(minutes=1)
    assert busiest(world) == micros("610")
    world.clock.at += timedelta(days=1)
    assert busiest(world) == micros("20")


# Existing accounts


def test_accounts_without_a_daily_limit_get_the_default_and_an_email_t10(world):
    """T10: once, with a line in the timeline and in the audit log."""
    world.cards(VISA)
    world.refill()
    set_directly(world, day_limit=None)
    world.run("set missing limits")
    world.run("set missing limits")
    assert settings(world).day_limit == micros("500.00")
    assert world.timeline.count("limits_set") == 1
    (line,) = [decision.sentence for decision in world.lines if decision.code == "limits_set"]
    assert line == "Daily limit set to $500.00."
    (mail,) = world.mails_of("limits_set")
    assert (mail.facts["day_limit"], mail.facts["largest_charge"]) == ("$500.00", "")
    assert world.audits[-1][1]["changed"] == {"day_limit": [None, micros("500.00")]}


def test_a_target_refill_waits_for_its_largest_charge_t9(world):
    """T9: nothing is charged until the job sets it; then the refill starts."""
    world.cards(VISA)
    target = {"refill_mode": RefillMode.TARGET, "target": "150.00", "largest_charge": "300.00"}
    world.apply(refill_on=True, threshold="50.00", **target)
    set_directly(world, largest_charge=None, day_limit=None)
    world.use("60.00")
    world.work()
    assert world.tries == []
    world.run("set missing limits")
    world.work()
    assert world.tries == [("4242", "110.00", "paid")]
    assert settings(world).largest_charge == micros("300.00")
    assert settings(world).day_limit == micros("1500.00")
    assert len(world.mails_of("limits_set")) == 1


@pytest.mark.parametrize("chosen", [{"day_limit": "300.00"}, {"no_day_limit": True}])
def test_explicit_limits_are_kept_t10(world, chosen):
    world.cards(VISA)
    world.refill(**chosen)
    before = settings(world).chosen()
    world.run("set missing limits")
    assert settings(world).chosen() == before
    assert world.mails_of("limits_set") == []


# Changes that widen spending, which require reauthentication (P2)

ON = Choice(refill_on=True, threshold=1, refill_amount=100, target=200, day_limit=500)


@pytest.mark.parametrize(
    ("before", "after", "raises"),
    [
        ({}, {}, False),
        ({}, {"largest_charge": 1}, True),
        ({"largest_charge": 400}, {"largest_charge": 400}, False),
        ({"largest_charge": 400}, {"largest_charge": 401}, True),
        ({"largest_charge": 400}, {"largest_charge": 90, "refill_mode": RefillMode.TARGET}, False),
        (
            {"largest_charge": 400},
            {"largest_charge": 400, "refill_mode": RefillMode.TARGET},
            True,
        ),
        ({}, {"day_limit": None, "no_day_limit": True}, True),
        ({"day_limit": None}, {"day_limit": None, "no_day_limit": True}, True),
        ({"day_limit": None, "no_day_limit": True}, {"day_limit": 500}, False),
        ({}, {"day_limit": 501}, True),
    ],
)
def test_a_larger_charge_or_a_wider_limit_raises_spending_t10(before, after, raises):
    """T9, T10: a change of mode can raise spending too."""
    current = Choice(**{**vars(ON), **before})
    assert Choice(**{**vars(ON), **after}).raises(current) is raises
