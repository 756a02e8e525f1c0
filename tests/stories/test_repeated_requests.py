"""A request is repeated under its key only if it would still be made now (L8, L10, T14)."""

import pytest

from tests.factories import VISA
from webapp.processors.sandbox.processor import SandboxProcessor

pytestmark = pytest.mark.story


@pytest.fixture
def meanwhile(world):
    """Runs a function while the processor is being queried; its answers are slow."""
    changes = []

    def wait(seconds):
        while changes:
            changes.pop()()

    slow = SandboxProcessor(world.services.sandbox, world.clock, sleep=wait)
    world.services.processors["sandbox"] = slow
    world.books.latency = 5
    return changes.append


def test_consent_withdrawn_during_a_query_stops_the_repeat(world, meanwhile):
    """T14: the query half an hour later returned "not known", after the consent was withdrawn."""
    world.cards(VISA)
    world.refill()
    world.next_answer("timeout_before_charge")
    world.use("60.00")
    world.work()
    meanwhile(lambda: world.consent(world.method("4242"), False))
    world.pass_time(minutes=30)

    assert not world.method("4242").auto_charge
    assert world.charges == []
    assert world.tries == [("4242", "100.00", "abandoned")]


def test_refill_switched_off_during_a_query_stops_the_repeat(world, meanwhile):
    """T14: the same for the settings."""
    world.cards(VISA)
    world.refill()
    world.next_answer("server_error")
    world.use("60.00")
    world.work()
    meanwhile(lambda: world.apply(refill_on=False))
    world.pass_time(minutes=30)
    assert world.charges == []
