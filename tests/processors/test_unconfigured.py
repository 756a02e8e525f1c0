"""Methods of a processor that is no longer configured."""

from dataclasses import replace

from tests.factories import MASTERCARD, VISA
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.processors.unconfigured import Present
from webapp.reads.payment_methods.main_screen import MainScreen


def unconfigure_sandbox(world):
    """Remove the card processor from the installation."""
    there = world.services.processors
    world.services = replace(
        world.services, processors=Present(world.clock, [there["sandbox_paypal"]])
    )


def test_methods_of_an_unconfigured_processor_are_gone_and_the_next_one_is_charged(world):
    """M13, F1: in the same refill, without a suspension or a block."""
    world.cards(VISA, MASTERCARD)
    allow_paypal(world.ctx, world.account_id, True)
    asked = world.begin_paypal()
    challenge = asked.address.rpartition("/")[2]
    world.books.challenges.agree(challenge, "ana@example.com", world.clock.now())
    world.consent(world.finish(asked), True)
    world.refill("50.00", "100.00")
    unconfigure_sandbox(world)
    world.use("60.00")

    world.work()

    assert [state for _, _, state in world.tries] == ["declined", "declined", "paid"]
    screen = MainScreen(world.ctx, world.account_id)
    visa, mastercard, paypal = screen.methods
    assert visa.trouble == mastercard.trouble == "No longer valid at the bank · Add it again"
    assert not paypal.trouble
    assert not any(failure.can_retry for failure in screen.failed)


def test_an_unknown_outcome_of_an_unconfigured_processor_stays_open(world):
    card = world.card(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(card)
    unconfigure_sandbox(world)

    world.pass_time(hours=1)

    assert world.attempts[-1].is_open
    assert world.balance == "100.00"


def test_a_revocation_at_an_unconfigured_processor_waits(world):
    card = world.card(VISA)
    world.remove(card)
    unconfigure_sandbox(world)

    world.pass_time(hours=1)

    assert world.methods == []
