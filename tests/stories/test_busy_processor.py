"""A processor that rejects queries, and answers that cross (L8, L9, F9, T14)."""

from datetime import UTC, datetime

import pytest

from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, VISA
from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.actions.payments.settle import settle
from webapp.actions.top_ups.top_up import start_attempt
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.shared.errors import Conflict
from webapp.domain.top_ups.top_up import open_top_up
from webapp.ports import DeclineClass, Declined, RequestRejected
from webapp.processors.sandbox.processor import SandboxProcessor

pytestmark = pytest.mark.story


class Busy(SandboxProcessor):
    """Charges normally, and rejects queries and cancellations."""

    def ask(self, key):
        return RequestRejected("Too many requests; try again later")

    def cancel(self, key):
        return RequestRejected("Too many requests; try again later")


@pytest.fixture
def busy(world):
    """Makes the processor busy, or available again."""
    at_ease = world.services.processors["sandbox"]

    def switch(on):
        other = Busy(world.books, world.clock, sleep=lambda seconds: None)
        world.services.processors["sandbox"] = other if on else at_ease

    return switch


def test_a_confirmed_challenge_survives_a_busy_processor(world, busy):
    """L3, F9: a rejected query is no evidence about the charge."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    world.bank(world.address_of(payment))
    busy(True)
    assert world.conclude(payment).state == "open"
    world.pass_time(minutes=16)
    assert world.balance == "100.00"
    busy(False)
    assert world.conclude(payment).state == "paid"
    assert world.balance == "150.00"
    world.pass_time(hours=1)
    assert world.charges == [("3184", "50.00")]
    assert world.balance == "150.00"


def test_a_limit_lowered_during_a_rejection_applies_to_the_repeat(world):
    """T10, T14: the old amount is not charged; a new check charges the allowed amount."""
    world.cards(VISA)
    world.refill()
    world.next_answer("refuse_to_look")
    world.use("60.00")
    world.work()
    world.refill(amount="40.00", day_limit="40.00")
    world.pass_time(seconds=10)
    world.work()
    assert world.charges == [("4242", "40.00")]


def test_a_payment_confirmed_after_leaving_is_not_repeated(world):
    """L4, F9: submitting the form again reports the success and charges nothing."""
    card = world.card(CHALLENGED_ALWAYS)
    payment = world.pay(card, "50.00")
    world.bank(world.address_of(payment))
    with pytest.raises(Conflict, match="has just succeeded"):
        world.pay(card, "50.00")
    assert world.balance == "150.00"
    assert world.charges == [("3184", "50.00")]


def test_invalid_input_cancels_no_challenge(world):
    """F9: the amount is validated first."""
    card = world.card(CHALLENGED_ALWAYS)
    world.pay(card, "50.00")
    with pytest.raises(Exception, match="field to fix"):
        world.pay(card, "0.01")
    assert world.tries == [("3184", "50.00", "challenged")]


def test_a_processor_whose_clock_is_behind_still_suspends(world):
    """F1, F8, T16: a decline is never dated before its own attempt."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill()
    world.pay(visa, "30.00")
    world.clock.advance(minutes=1)
    world.use("90.00")
    waiting = open_top_up(world.session, world.account_id)
    now = world.clock.now()
    attempt_id = start_attempt(world.ctx, waiting.id)
    behind = Declined("do_not_honor", DeclineClass.SOFT, datetime(2026, 11, 22, 9, tzinfo=UTC))
    settle(world.ctx.at(now), attempt_id, behind)
    assert world.method("4242").standing(now) is MethodStatus.SUSPENDED
    assert world.method("4242").declines_in_a_row == 1


def test_the_operator_cannot_decide_an_attempt_that_is_not_waiting_for_it(world):
    """L10: neither a running call nor an open challenge."""
    card = world.card(CHALLENGED_ALWAYS)
    world.pay(card, "50.00")
    with pytest.raises(Conflict, match="needs no decision"):
        decide_attempt(world.ctx, world.attempts[0].id, False, "A guess")


def test_a_rejected_manual_payment_says_that_it_could_not_be_sent(world):
    """L8, F2: the message does not blame the bank."""
    from webapp.reads.payments.outcome import read_outcome

    visa, _ = world.cards(VISA, MASTERCARD)
    world.next_answer("refuse_to_look")
    payment = world.pay(visa, "50.00")
    outcome = read_outcome(world.ctx, payment.id)
    assert "could not be sent" in outcome.sentence


@pytest.mark.parametrize(("expiry", "due"), [("02/27", (1, 29)), ("04/27", (3, 31))])
def test_expiry_notices_in_short_months(world, expiry, due):
    """M9: thirty days before, regardless of the month's length."""
    world.card(VISA, expiry=expiry)
    month, day = due
    world.clock.at = datetime(2027, month, day, 9, tzinfo=UTC)
    world.run("warn of expiry")
    assert [notice.facts["days"] for notice in world.mails_of("card_expiring")] == [30]


def test_a_suspension_email_says_that_the_next_charge_was_not_sent(world):
    """F11, L8: it reports no bank decision when the processor rejected the request."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="do_not_honor", last4="4242")
    for _ in range(60):
        world.next_answer("refuse_to_look", last4="4444")
    world.use("60.00")
    world.work()
    world.pass_time(hours=2)
    (mail,) = world.mails_of("method_suspended")
    said = "$100.00 to Mastercard •••• 4444 could not be sent yet. We will try again."
    assert mail.facts["instead"] == said
