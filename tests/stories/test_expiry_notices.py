"""A card expires: notices 30 and 7 days before and on the day (M9)."""

from datetime import UTC, datetime

import pytest

from tests.factories import MASTERCARD, VISA

pytestmark = pytest.mark.story


@pytest.fixture
def expiring(world):
    """A Visa that expires at the end of January 2027; today is 22 November 2026."""
    world.card(VISA, expiry="01/27")
    return world


def on(world, month, day, hour=9, year=2027):
    world.clock.at = datetime(year, month, day, hour, tzinfo=UTC)
    world.run("warn of expiry")
    return [notice.facts["days"] for notice in world.mails_of("card_expiring")]


def test_each_step_once(expiring):
    """M9: 30, 7 and 0 days before the last day of the month."""
    assert on(expiring, 12, 31, year=2026) == []
    assert on(expiring, 1, 1) == [30]
    assert on(expiring, 1, 1, hour=20) == [30]
    assert on(expiring, 1, 23) == [30]
    assert on(expiring, 1, 24) == [30, 7]
    assert on(expiring, 1, 30) == [30, 7]
    assert on(expiring, 1, 31) == [30, 7, 0]
    assert on(expiring, 2, 1) == [30, 7, 0]


def test_a_stopped_scheduler_skips_what_is_over(expiring):
    """M9: the step that stands now, not all that were missed."""
    assert on(expiring, 1, 25) == [6]


def test_none_for_a_removed_card(expiring):
    """M9."""
    expiring.remove(expiring.method("4242"))
    assert on(expiring, 1, 1) == []


def test_a_refreshed_card_ends_them(expiring):
    """M9, M8: the renewed card begins anew."""
    assert on(expiring, 1, 1) == [30]
    expiring.card(VISA, expiry="01/30")
    assert on(expiring, 1, 24) == [30]
    assert on(expiring, 1, 31) == [30]


def test_none_for_what_was_known_when_it_was_added(world):
    """M9: a card added ten days before its end is told on the day, and seven days before."""
    world.clock.at = datetime(2027, 1, 21, 9, tzinfo=UTC)
    world.card(MASTERCARD, expiry="01/27")
    assert on(world, 1, 21) == []
    assert on(world, 1, 24) == [7]
