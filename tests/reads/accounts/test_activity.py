"""Activity: the current answer, and its filters compared with a loop over all lines (E1)."""

from datetime import timedelta
from itertools import product

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.domain.events.timeline import CODES, About, Code
from webapp.reads.accounts import activity
from webapp.reads.accounts.activity import ActivityFilters, read_activity


@pytest.fixture
def history(world):
    """Ten days of refills, declines, folded checks, and auto-charge switches."""
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


def listed_ids(world, filters=None):
    before, ids = None, []
    while True:
        world.session.rollback()
        page = read_activity(world.ctx, world.account_id, filters, before=before)
        ids += [line.id for day in page.days for line in day.lines]
        if page.older is None:
            return ids
        before = page.older


def test_each_filter_matches_a_loop_over_all_lines_e1(history, monkeypatch):
    """E1: a line folded over several days belongs to each of them."""
    monkeypatch.setattr(activity, "PAGE", 4)
    lines = history.lines
    assert any(line.first_at.date() < line.last_at.date() for line in lines), "some are folded"
    first = lines[0].first_at.date()
    days = [None, *(first + timedelta(days=n) for n in (-1, 0, 2, 5, 40))]
    found = 0
    for about, since, until in product([None, *About], days, days):
        expected = [
            line.id
            for line in reversed(lines)
            if (about is None or CODES[line.code].about is about)
            and (since is None or line.last_at.date() >= since)
            and (until is None or line.first_at.date() <= until)
        ]
        assert listed_ids(history, ActivityFilters(about, None, since, until)) == expected
        found += bool(expected)
    assert found > 50


def test_every_code_has_one_topic_and_a_title_e1():
    """E1: each subject has codes, and no two codes share a title."""
    assert {code.about for code in Code} == set(About)
    assert len({code.heading for code in Code}) == len(Code)


def current_answer(world):
    world.session.rollback()
    return read_activity(world.ctx, world.account_id).why


def test_the_current_answer_explains_why_there_is_no_refill_e1(world):
    """E1: the planner's answer for the present moment."""
    assert current_answer(world) == "Nothing to do: automatic refill is off."
    visa, mastercard = world.cards(VISA, MASTERCARD)
    world.refill()
    assert current_answer(world) == "No refill needed: the balance, $100.00, is at or above $50.00."
    world.consent(visa, False)
    world.use("60.00")
    assert current_answer(world).startswith(
        "Nothing will be charged. Auto-charge is off for your primary"
    )
    world.consent(mastercard, False)
    assert current_answer(world) == "Nothing will be charged. No payment method has auto-charge on."
    world.next_answer("timeout_after_charge")
    world.consent(visa, True)
    world.work()
    assert current_answer(world).startswith("We are charging $100.00 to Visa •••• 4242.")
