"""Activity: the question it answers first, and its filters against a loop over all lines (E1)."""

from datetime import timedelta
from itertools import product

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.domain.accounts.decisions import Code
from webapp.reads.accounts import activity
from webapp.reads.accounts.activity import ABOUT, TITLES, About, ActivityFilters, read_activity


@pytest.fixture
def lived(world):
    """Ten days of refills, declines, quiet looks that fold, and switches."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill(notification_on=True, notification_threshold="75.00")
    for number in range(5):
        world.use("60.00")
        if number == 2:
            world.next_answer("decline", decline_code="insufficient_funds")
        world.work()
        world.consent(visa, False)
        world.use("70.00")
        for _ in range(3):
            world.clock.advance(hours=13)
            world.use("0.01")
        world.consent(visa, True)
        world.work()
        world.clock.advance(days=1)
        world.run()
    return world


def shown(world, filters=None):
    before, ids = None, []
    while True:
        world.session.rollback()
        page = read_activity(
            world.session, world.account_id, world.clock.now(), world.policy, filters, before=before
        )
        ids += [line.id for day in page.days for line in day.lines]
        if page.older is None:
            return ids
        before = page.older


def test_each_filter_finds_what_a_loop_finds_e1(lived, monkeypatch):
    """E1: a line that was folded over several days is of each of them."""
    monkeypatch.setattr(activity, "PAGE", 4)
    there = lived.decisions
    assert any(line.first_at.date() < line.last_at.date() for line in there), "some are folded"
    first = there[0].first_at.date()
    days = [None, *(first + timedelta(days=n) for n in (-1, 0, 2, 5, 40))]
    found = 0
    for about, since, until in product([None, *About], days, days):
        wished = [
            line.id
            for line in reversed(there)
            if (about is None or line.code in ABOUT[about])
            and (since is None or line.last_at.date() >= since)
            and (until is None or line.first_at.date() <= until)
        ]
        assert shown(lived, ActivityFilters(about, since, until)) == wished
        found += bool(wished)
    assert found > 50


def test_every_answer_is_found_under_one_name_e1():
    """E1: whoever adds a code says where it belongs, and what it is called."""
    filed = [code for codes in ABOUT.values() for code in codes]
    assert sorted(filed) == sorted(Code)
    assert set(TITLES) == set(Code)


def why(world):
    world.session.rollback()
    around = world.clock.now(), world.policy
    return read_activity(world.session, world.account_id, *around).why


def test_why_is_there_no_top_up_e1(world):
    """E1: the planner's answer to this moment, whatever it is."""
    assert why(world) == "Nothing to do: automatic refill is off."
    visa, mastercard = world.cards(VISA, MASTERCARD)
    world.refill()
    assert why(world) == "No refill needed: the balance, $100.00, is at or above $50.00."
    world.consent(visa, False)
    world.use("60.00")
    assert why(world).startswith("Nothing will be charged. Auto-charge is off for your primary")
    world.consent(mastercard, False)
    assert why(world) == "Nothing will be charged. No payment method has auto-charge on."
    world.next_answer("timeout_after_charge")
    world.consent(visa, True)
    world.work()
    assert why(world).startswith("We are charging $100.00 to Visa •••• 4242.")
