"""An installation that turned to another processor keeps methods that nobody can charge now."""

from dataclasses import replace

from tests.factories import MASTERCARD, VISA
from webapp.processors.absent import Present
from webapp.reads.payment_methods import read_screen


def turn_away(world):
    """The same installation, whose card processor is another one now."""
    there = world.parts.processors
    world.parts = replace(world.parts, processors=Present(world.clock, [there["sandbox_paypal"]]))


def test_a_method_of_theirs_is_passed_over_and_says_so(world):
    world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00")
    turn_away(world)
    world.use("60.00")

    world.work()

    assert [state for _, _, state in world.tries] == ["declined", "declined"]
    assert world.books.paid_charges() == []
    now = world.clock.now()
    screen = read_screen(world.session, world.account_id, now, world.policy)
    assert all("until you retry or replace it" in row.trouble for row in screen.methods)


def test_an_outcome_that_only_they_know_stays_open(world):
    card = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(card)
    turn_away(world)

    world.pass_time(hours=1)

    assert world.attempts[-1].is_open
    assert world.balance == "100.00"


def test_what_they_are_to_forget_waits(world):
    card = world.card(VISA)
    world.remove(card)
    turn_away(world)

    world.pass_time(hours=1)

    assert world.methods == []
