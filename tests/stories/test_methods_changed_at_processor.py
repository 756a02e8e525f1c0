"""M13: changes at the processor are followed, and the consent is unchanged."""

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.actions.payments.settle import settle
from webapp.actions.top_ups.top_up import start_attempt
from webapp.domain.shared.errors import Refusal
from webapp.domain.top_ups.top_up import open_top_up
from webapp.ports import MethodGone, RequestRejected
from webapp.reads.payment_methods.main_screen import MainScreen
from webapp.reads.payments.outcome import read_outcome


def row(world, index=0):
    screen = MainScreen(world.ctx, world.account_id)
    return screen.methods[index], screen


def test_a_removed_card_is_marked_on_its_row_and_skipped(world):
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00")
    world.books.reversals.take_away(visa.processor_reference, world.clock.now())

    world.deliver(times=2)

    first, screen = row(world)
    assert first.trouble == "No longer valid at the bank · Add it again"
    assert first.auto_charge is True
    assert first.retry_attempt_id is None
    assert first.status == "Not charged"
    assert "Mastercard •••• 4444" in "".join(run.text for run in screen.next.sentence)
    assert world.timeline.count("method_gone") == 1

    world.use("60.00")
    world.work()

    assert world.charges == [("4444", "100.00")]
    assert world.method("4242").auto_charge is True


def test_an_event_about_a_method_removed_here_records_nothing(world):
    visa, _ = world.cards(VISA, MASTERCARD)
    reference = visa.processor_reference
    world.remove(visa)
    world.run("revoke methods")
    world.books.reversals.take_away(reference, world.clock.now())

    world.deliver()

    assert "method_gone" not in world.timeline


def test_a_card_added_again_is_valid(world):
    visa = world.card(VISA, auto_charge=True)
    world.books.reversals.take_away(visa.processor_reference, world.clock.now())
    world.deliver()

    world.card(VISA)

    assert row(world)[0].trouble == ""
    assert len(world.methods) == 1


def test_a_new_expiry_from_the_bank_is_stored(world):
    visa = world.card(VISA, expiry="12/26", auto_charge=False)
    world.clock.advance(days=60)
    assert row(world)[0].detail == "Expired 12/26"
    world.books.reversals.renew(visa.processor_reference, world.clock.now())

    world.deliver(times=2)

    assert row(world)[0].detail == "Expires 12/30"
    assert world.method("4242").auto_charge is False
    assert world.timeline.count("method_updated") == 1


def test_a_renewed_card_is_charged_at_once_if_the_balance_is_low(world):
    """T4: the balance is checked again."""
    visa = world.card(VISA, expiry="12/26", auto_charge=True)
    world.refill("50.00", "100.00")
    world.clock.advance(days=60)
    world.use("60.00")
    world.work()
    assert world.charges == []

    world.books.reversals.renew(visa.processor_reference, world.clock.now())
    world.deliver()
    world.work()

    assert world.charges == [("4242", "100.00")]


def test_an_agreement_cancelled_by_the_payer_is_gone(world):
    allow_paypal(world.ctx, world.account_id, True)
    asked = world.begin_paypal()
    challenge = asked.address.rpartition("/")[2]
    world.books.challenges.agree(challenge, "ana@example.com", world.clock.now())
    world.finish(asked)
    reference = world.methods[0].processor_reference
    world.books.reversals.take_away(reference, world.clock.now())

    world.deliver()

    assert row(world)[0].trouble == "No longer valid at PayPal · Add it again"


# The event was lost, and the charge finds that the method is gone


def remove_at_processor(world, last4="4242"):
    """Remove the method at the processor and lose the event."""
    reference = world.method(last4).processor_reference
    world.books.reversals.take_away(reference, world.clock.now())


def test_the_next_card_is_charged_in_the_same_refill_m13(world):
    """T7, M3, F1: no suspension, no decline in a row, and the consent is unchanged."""
    world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00")
    remove_at_processor(world)

    world.use("60.00")
    world.work()

    assert world.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]
    assert world.balance == "140.00"
    assert len({attempt.payment_id for attempt in world.attempts}) == 1
    gone = world.method("4242")
    assert gone.is_gone
    assert gone.auto_charge is True
    assert (gone.suspended_until, gone.blocked_at, gone.declines_in_a_row) == (None, None, 0)
    assert world.mails == ["receipt"]
    assert world.timeline.count("method_gone") == 1
    (line,) = [it.sentence for it in world.lines if it.code == "declined"]
    assert line == "$100.00 was not charged to Visa •••• 4242: the processor no longer has it."

    world.deliver()  # the event arrives after all

    assert world.timeline.count("method_gone") == 1


def test_without_another_card_one_email_is_sent_and_a_new_card_refills_m13(world):
    """T11, T4, M8"""
    world.card(VISA)
    world.refill("50.00", "100.00")
    remove_at_processor(world)
    world.use("60.00")
    world.work()
    world.pass_time(hours=3)

    assert world.tries == [("4242", "100.00", "declined")]
    (mail,) = world.mails_of("all_failed")
    assert mail.facts["failures"][0]["reason"] == "No longer known to the processor"

    world.card(VISA)
    world.work()

    assert world.tries[1:] == [("4242", "100.00", "paid")]
    assert not world.methods[0].is_gone


def test_a_crash_before_the_answer_is_settled_changes_nothing_m13(world):
    """L3, L10: the processor does not know the key, so the request is repeated under it."""
    world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00")
    remove_at_processor(world)
    world.use("60.00")
    opened = open_top_up(world.session, world.account_id)
    start_attempt(world.ctx, opened.id)

    for _ in range(4):
        world.pass_time(minutes=31)
    world.work()

    assert world.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]
    assert world.method("4242").is_gone


def test_a_card_added_again_during_the_call_is_not_gone_m13(world):
    """The answer is about the reference that was charged."""
    visa = world.card(VISA)
    world.refill("50.00", "100.00")
    world.use("60.00")
    opened = open_top_up(world.session, world.account_id)
    now = world.clock.now()
    attempt_id = start_attempt(world.ctx, opened.id)
    old = visa.processor_reference
    world.card(VISA)

    settle(world.ctx.at(now), attempt_id, MethodGone(old, now))

    assert world.methods[0].processor_reference != old
    assert not world.methods[0].is_gone
    assert "method_gone" not in world.timeline


def test_a_manual_payment_with_a_removed_card_explains_the_failure_m13(world):
    """L4, F1: nothing is suspended."""
    world.cards(VISA, MASTERCARD)
    remove_at_processor(world)

    payment = world.pay(world.method("4242"), "50.00")

    outcome = read_outcome(world.ctx, payment.id)
    assert payment.state == "failed"
    assert outcome.sentence == (
        "The processor no longer has Visa •••• 4242. Nothing was charged. "
        "Add it again, or use another method."
    )
    assert world.method("4242").is_gone
    assert world.mails == []


def test_restoring_a_removed_card_says_that_it_is_gone_m13(world):
    """F4"""
    world.cards(VISA, MASTERCARD)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(world.method("4242"), "50.00")
    remove_at_processor(world)

    with pytest.raises(Refusal, match="no longer has Visa •••• 4242"):
        restore(world, world.method("4242"))

    assert world.method("4242").is_gone
    assert world.timeline.count("method_gone") == 1


def test_a_rejected_restore_does_not_blame_the_bank_l8(world, monkeypatch):
    world.cards(VISA, MASTERCARD)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(world.method("4242"), "50.00")
    busy = lambda *asked: RequestRejected("Too many requests")  # noqa: E731
    monkeypatch.setattr(world.services.processors["sandbox"], "verify", busy)

    with pytest.raises(Refusal, match="The processor refused the request"):
        restore(world, world.method("4242"))

    assert not world.method("4242").is_gone


def test_a_manual_chain_skips_a_removed_card_m13(world):
    """L4, T7"""
    world.cards(VISA, MASTERCARD)
    remove_at_processor(world)

    payment = world.pay_by_chain("50.00")

    assert payment.state == "paid"
    assert world.tries == [("4242", "50.00", "declined"), ("4444", "50.00", "paid")]


def restore(world, method):
    return restore_method(world.ctx, world.account_id, method.id)
