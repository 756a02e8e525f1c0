"""An installation that turned to another processor keeps methods that nobody can charge now."""

from dataclasses import replace

from tests.factories import MASTERCARD, VISA
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.processors.unconfigured import Present
from webapp.reads.payment_methods.main_screen import read_screen


def turn_away(world):
    """The same installation, whose card processor is another one now."""
    there = world.services.processors
    world.services = replace(
        world.services, processors=Present(world.clock, [there["sandbox_paypal"]])
    )


def test_its_methods_are_gone_and_the_next_one_is_charged(world):
    """M13, F1: in the same refill, without a suspension or a block."""
    world.cards(VISA, MASTERCARD)
    allow_paypal(world.session, world.account_id, True, world.owner, world.clock.now())
    asked = world.begin_paypal()
    world.books.desk.agree(asked.address.rpartition("/")[2], "ana@example.com", world.clock.now())
    world.consent(world.finish(asked), True)
    world.refill("50.00", "100.00")
    turn_away(world)
    world.use("60.00")

    world.work()

    assert [state for _, _, state in world.tries] == ["declined", "declined", "paid"]
    screen = read_screen(world.session, world.account_id, world.clock.now(), world.policy)
    visa, mastercard, paypal = screen.methods
    assert visa.trouble == mastercard.trouble == "No longer valid at the bank · Add it again"
    assert not paypal.trouble
    assert not any(failure.can_retry for failure in screen.failed)


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
