"""Challenges by the bank: when a card is added, and when the customer pays."""

import pytest

from tests.factories import (
    CHALLENGED_ALWAYS,
    CHALLENGED_ONCE,
    CHALLENGED_THEN_DECLINED,
    MASTERCARD,
    VISA,
)
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.shared.errors import Refusal

pytestmark = pytest.mark.story


def test_a_card_is_listed_only_when_its_challenge_has_succeeded(world):
    """M6, M4."""
    asked = world.begin_card(CHALLENGED_ONCE)
    assert world.methods == []
    assert world.finish(asked) is None, "still open"

    world.bank(asked.address)
    method = world.finish(asked)
    assert [m.id for m in world.methods] == [method.id]
    assert method.auto_charge
    assert world.finish(asked).id == method.id, "a second return lists nothing twice"
    assert len(world.methods) == 1


@pytest.mark.parametrize("how", ["fail", "cancel"])
def test_a_failed_or_abandoned_setup_challenge_leaves_nothing(world, how):
    """M6: no method, no payment, no suspension; and the form can be submitted again."""
    world.card(VISA)
    asked = world.begin_card(CHALLENGED_ONCE)
    world.bank(asked.address, how)
    for _ in range(2):
        with pytest.raises(Refusal, match="Nothing was saved"):
            world.finish(asked)
    assert [m.last4 for m in world.methods] == ["4242"]
    assert world.attempts == []

    again = world.begin_card(CHALLENGED_ONCE)
    world.bank(again.address)
    assert world.finish(again).last4 == "3155"


def test_an_open_setup_is_cancelled_after_15_minutes(world):
    """F9: cancelled at the processor, so a late confirmation saves nothing."""
    asked = world.begin_card(CHALLENGED_ONCE)
    world.pass_time(minutes=14)
    assert world.finish(asked) is None
    world.pass_time(minutes=1)
    world.bank(asked.address)
    with pytest.raises(Refusal, match="was not completed"):
        world.finish(asked)
    assert world.methods == []


def test_a_setup_confirmed_without_returning_is_listed_by_the_job(world):
    """M6: the customer confirmed and closed the window."""
    asked = world.begin_card(CHALLENGED_ONCE)
    world.bank(asked.address)
    world.pass_time(minutes=15)
    assert [m.last4 for m in world.methods] == ["3155"]


def test_a_card_that_needs_a_challenge_once_is_then_charged_without(world):
    """M6, T7: 3155 succeeds off-session once set up."""
    world.card(CHALLENGED_ONCE)
    world.refill()
    world.use("60.00")
    world.work()
    assert world.tries == [("3155", "100.00", "paid")]


def test_an_instant_payment_with_a_challenge_is_credited_once(world):
    """L4, F4: the payment stays open during the challenge."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00", key="a" * 32)
    assert world.tries == [("3184", "50.00", "challenged")]
    assert world.balance == "100.00"
    address = world.address_of(payment)
    again = world.pay(card, "50.00", key="a" * 32)
    assert again.id == payment.id, "a double click leads to the same challenge"
    assert world.address_of(again) == address

    world.bank(address)
    world.bank(address)
    assert world.conclude(payment).state == "paid"
    assert world.conclude(payment).state == "paid"
    assert world.balance == "150.00"
    assert world.charges == [("3184", "50.00")]
    assert world.mails.count("receipt") == 1


def test_a_failed_challenge_suspends_the_method(world):
    """F1, F9: pressing fail is a failure."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    world.bank(world.address_of(payment), "fail")
    assert world.conclude(payment).state == "failed"
    assert world.method("3184").standing(world.clock.now()) is MethodStatus.SUSPENDED
    assert world.attempts[0].decline_code == "authentication_required"


def test_a_payment_declined_after_its_challenge_fails(world):
    """F2: 3178 has no funds, although the challenge was confirmed."""
    card = world.card(CHALLENGED_THEN_DECLINED)
    payment = world.pay(card, "50.00")
    world.bank(world.address_of(payment))
    assert world.conclude(payment).state == "failed"
    assert world.attempts[0].decline_code == "insufficient_funds"


def test_an_abandoned_challenge_is_recorded_as_abandoned(world):
    """F9: it is neither a decline nor a suspension."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    assert world.conclude(payment, give_up=True).state == "abandoned"
    assert world.method("3184").standing(world.clock.now()) is MethodStatus.READY
    assert world.mails == []
    assert world.timeline[-1] == "abandoned"


def test_a_challenge_left_open_expires(world):
    """F9: after 15 minutes it is cancelled at the processor."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    address = world.address_of(payment)
    world.pass_time(minutes=14, seconds=59)
    assert world.tries == [("3184", "50.00", "challenged")]
    world.pass_time(seconds=1)
    assert world.tries == [("3184", "50.00", "abandoned")]
    world.bank(address)
    world.pass_time(hours=1)
    assert world.balance == "100.00"
    assert world.charges == []


def test_a_challenge_confirmed_without_returning_is_credited(world):
    """L3, F9: confirmed at the bank, then the window was closed."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    world.bank(world.address_of(payment))
    world.pass_time(minutes=15)
    assert world.balance == "150.00"


def test_a_challenge_confirmed_before_cancelling_is_paid(world):
    """F9: the bank's answer counts."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    world.bank(world.address_of(payment))
    assert world.conclude(payment, give_up=True).state == "paid"
    assert world.balance == "150.00"


def test_an_abandoned_challenge_blocks_neither_another_payment_nor_removal(world):
    """F9."""
    card = world.card(CHALLENGED_ALWAYS)
    first = world.pay(card, "50.00")
    second = world.pay(card, "70.00")
    assert [state for *_, state in world.tries] == ["abandoned", "challenged"]
    world.bank(world.address_of(second))
    world.conclude(second)
    assert world.conclude(first).state == "abandoned"
    assert world.balance == "170.00"

    world.pay(card, "50.00")
    world.remove(card)
    assert world.methods == []
    assert world.tries[-1] == ("3184", "50.00", "abandoned")


def test_the_refill_waits_while_a_challenge_is_open(world):
    """T15: the challenged payment may still succeed."""
    challenged = world.card(CHALLENGED_ALWAYS)
    world.card(MASTERCARD, auto_charge=True)
    world.refill()
    payment = world.pay(challenged, "30.00")
    world.use("60.00")
    world.work()
    assert world.timeline[-1] == "waiting_for_outcome"
    world.conclude(payment, give_up=True)
    world.work()
    assert world.tries[-1][2] == "paid", "given up, so the top-up goes its way"
