"""Decline, fallback, suspension for exactly 48 hours, and the next charge."""

from datetime import timedelta

import pytest

from tests.factories import DECLINING, MASTERCARD, START, VISA
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodStatus

pytestmark = pytest.mark.story


def test_a_decline_falls_back_at_once_and_credits_once(covered):
    """T7, F1, F2, L2: the next method pays the full amount; the declined one is suspended."""
    covered.next_answer("decline", decline_code="insufficient_funds")
    covered.use("60.00")
    covered.work()

    assert covered.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]
    assert covered.charges == [("4444", "100.00")]
    assert covered.balance == "140.00"
    visa = covered.method("4242")
    assert visa.standing(covered.clock.now()) is MethodStatus.SUSPENDED
    assert visa.auto_charge, "M3: no failure flips the consent"
    assert reason(visa.failure_code).sentence == "Insufficient funds"
    assert covered.timeline[-4:] == ["charging", "declined", "charging", "charged"]


def test_the_emails_of_a_fallback(covered):
    """F11, L6: one names the declined method, the reason and the charge instead; one is the
    receipt.
    """
    covered.next_answer("decline", decline_code="insufficient_funds")
    covered.use("60.00")
    covered.work()

    (suspended,) = covered.mails_of("method_suspended")
    assert suspended.facts["method"] == "Visa •••• 4242"
    assert suspended.facts["reason"] == "Insufficient funds"
    assert suspended.facts["instead"] == "Mastercard •••• 4444 was charged $100.00 instead."
    assert suspended.facts["until"] == "Tue 24 Nov, 10:00\N{NO-BREAK SPACE}UTC"
    (receipt,) = covered.mails_of("receipt")
    assert receipt.facts["method"] == "Mastercard •••• 4444"
    assert receipt.facts["balance_after"] == "$140.00"
    assert not covered.mails_of("all_failed")


def test_a_method_is_suspended_at_47_59_59_and_chargeable_at_48_hours(covered):
    """F1, F6: whether or not a job has run."""
    covered.next_answer("decline", decline_code="insufficient_funds")
    covered.use("60.00")
    covered.work()

    covered.clock.at = START + timedelta(hours=47, minutes=59, seconds=59)
    covered.use("100.00")
    covered.work()
    assert covered.tries[-1] == ("4444", "100.00", "paid"), "passed over while suspended (T6)"

    covered.clock.at = START + timedelta(hours=48)
    covered.use("100.00")  # no job has recorded the end of the suspension
    covered.work()
    assert covered.tries[-1] == ("4242", "100.00", "paid")
    assert [amount for _, amount in covered.charges] == ["100.00"] * 3, "F6: no old failure again"


def test_the_job_records_the_end_of_a_suspension_once(covered):
    """F1, F6: in the timeline; the failed payment is not charged again by itself."""
    covered.next_answer("decline", decline_code="insufficient_funds")
    covered.use("60.00")
    covered.work()
    covered.pass_time(hours=48)
    covered.pass_time(hours=1)

    assert covered.timeline.count("suspension_ended") == 1
    assert len(covered.charges) == 1
    assert covered.method("4242").suspended_until is None


def test_a_stopped_scheduler_does_not_prolong_a_suspension(world):
    """F1, T4: the only method is chargeable at 48:00:00, and the sweep finds it."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    world.clock.advance(hours=48)
    world.run("sweep", "top up")

    assert world.tries == [("4242", "100.00", "declined"), ("4242", "100.00", "paid")]


def test_the_48_hours_run_from_the_processors_own_time(covered):
    """F8: however late the decline is received."""
    from webapp.actions.payments.settle import settle
    from webapp.actions.top_ups.top_up import start_attempt
    from webapp.domain.top_ups.top_up import open_top_up
    from webapp.ports import DeclineClass, Declined

    covered.use("60.00")
    top_up = open_top_up(covered.session, covered.account_id)
    attempt_id = start_attempt(covered.ctx, top_up.id)
    declined = Declined("insufficient_funds", DeclineClass.SOFT, START + timedelta(seconds=2))
    covered.clock.advance(hours=47)
    settle(covered.ctx, attempt_id, declined)

    assert covered.method("4242").suspended_until == START + timedelta(hours=48, seconds=2)
    covered.pass_time(hours=1, seconds=2)
    assert not covered.method("4242").is_suspended(covered.clock.now())


def test_a_hard_decline_lasts_until_the_customer_acts(covered):
    """F3, F12: time does not restore the method; the customer reads that the bank declined."""
    covered.next_answer("decline", decline_code="stolen_card")
    covered.use("60.00")
    covered.work()
    covered.pass_time(hours=49)
    visa = covered.method("4242")

    assert visa.standing(covered.clock.now()) is MethodStatus.BARRED
    (mail,) = covered.mails_of("method_suspended")
    assert mail.facts["reason"] == "Declined by the bank"
    assert mail.facts["until"] == ""
    assert "stolen" not in " ".join(str(value) for value in mail.facts.values())
    assert covered.attempts[0].decline_code == "stolen_card", "the operator sees the code"

    covered.retry(covered.attempts[0])
    assert covered.method("4242").standing(covered.clock.now()) is MethodStatus.READY


def test_each_method_is_charged_at_most_once_per_top_up(world):
    """T7: three methods, three attempts, in order, and then none."""
    methods = world.cards(DECLINING, VISA, MASTERCARD)
    world.refill()
    for _ in methods:
        world.next_answer("decline", decline_code="do_not_honor")
    world.use("60.00")
    world.work()
    world.run()

    assert [last4 for last4, _, _ in world.tries] == ["0341", "4242", "4444"]
    assert world.balance == "40.00"


def test_five_declines_in_a_row_require_a_manual_payment(world):
    """T16: the method stays out of automatic billing until the customer's own payment succeeds."""
    (visa,) = world.cards(VISA)
    world.refill()
    world.use("60.00")
    for _ in range(5):
        world.next_answer("decline", decline_code="insufficient_funds")
        world.pass_time(hours=48)
    assert [state for *_, state in world.tries] == ["declined"] * 5
    world.pass_time(hours=48)
    assert len(world.tries) == 5
    assert world.method("4242").standing(world.clock.now()) is MethodStatus.RESTED

    world.pay(visa, "30.00")
    assert world.method("4242").standing(world.clock.now()) is MethodStatus.READY
