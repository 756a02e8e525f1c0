"""A meter sends milli-units as units: 215000 instead of 215, which must not cause charges."""

from dataclasses import replace

import pytest

from tests.factories import VISA, micros, with_bounds
from webapp.domain.usage.record import Verdict

pytestmark = pytest.mark.story


def test_a_record_above_usage_max_is_refused_and_charges_nothing(world):
    """L14: the correct amount can be posted under its reference."""
    world.cards(VISA)
    world.refill()
    assert world.use("215000", "call-1").verdicts == (Verdict.TOO_LARGE,)
    world.work()
    assert (world.tries, world.balance) == ([], "100.00")
    assert world.timeline[-1] == "usage_too_large"
    assert "$215,000.00 (call-1) was refused" in world.lines[-1].sentence

    assert world.use("215", "call-1").verdicts == (Verdict.POSTED,)
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


@pytest.mark.parametrize("no_day_limit", [False, True])
def test_an_allowed_large_record_causes_three_refills(world, no_day_limit):
    """T9, T10, L14: each of exactly the refill amount, and the fourth is not made."""
    world.policy = with_bounds(world.policy, usage_max=micros("1000000"))
    world.services = replace(world.services, policy=world.policy)
    world.cards(VISA)
    world.refill(no_day_limit=no_day_limit)
    assert world.use("215000").verdicts == (Verdict.POSTED,)
    for _ in range(6):
        world.work()
        world.run("sweep")
    assert world.tries == [("4242", "100.00", "paid")] * 3
    assert world.timeline[-1] == "paused"
    assert len(world.mails_of("paused")) == 1
    world.pass_time(days=40)
    world.work()
    assert world.balance == "-214600.00"
