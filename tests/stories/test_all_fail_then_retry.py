"""All methods fail, which one email reports; then a Retry succeeds."""

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.shared.errors import Conflict, NotFound, Refusal

pytestmark = pytest.mark.story


@pytest.fixture
def failed(world):
    """Both methods were declined; the balance is 40, below the threshold of 50."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    for _ in range(2):
        world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    return world


def test_one_email_says_that_all_methods_failed(failed):
    """T11, F11: one email per suspended method, one saying that all have failed."""
    assert failed.mails.count("method_suspended") == 2
    (mail,) = failed.mails_of("all_failed")
    assert [f["method"] for f in mail.facts["failures"]] == [
        "Visa •••• 4242",
        "Mastercard •••• 4444",
    ]
    assert failed.timeline[-1] == "all_methods_failed"

    failed.use("1.00")
    failed.work()
    failed.run()
    assert len(failed.tries) == 2, "the top-up waits"
    assert len(failed.mails_of("all_failed")) == 1


def test_a_retry_restores_the_method_and_the_balance(failed):
    """F4: it credits once and restores the method at once; the balance is checked again (T4)."""
    failed.retry(failed.attempts[0])
    failed.work()

    assert failed.balance == "140.00"
    assert failed.method("4242").standing(failed.clock.now()) is MethodStatus.READY
    assert failed.method("4444").standing(failed.clock.now()) is MethodStatus.SUSPENDED
    assert failed.tries[-1] == ("4242", "100.00", "paid")
    failed.use("100.00")
    failed.work()
    assert failed.tries[-1] == ("4242", "100.00", "paid"), "back in automatic use"


def test_a_success_rearms_the_email_about_all_methods(failed):
    """F11: when all fail again after a success, another email is sent."""
    failed.retry(failed.attempts[0])
    failed.next_answer("decline", decline_code="insufficient_funds")
    failed.use("100.00")
    failed.work()
    assert len(failed.mails_of("all_failed")) == 2


def test_a_declined_retry_restarts_the_48_hours(failed):
    """F4."""
    failed.clock.advance(hours=10)
    failed.next_answer("decline", decline_code="insufficient_funds")
    payment = failed.retry(failed.attempts[0])
    visa = failed.method("4242")
    assert payment.state == "failed"
    assert (visa.suspended_until - failed.clock.now()).total_seconds() == 48 * 3600
    assert failed.mails.count("method_suspended") == 2, "it was suspended already"


def test_a_double_click_charges_once(failed):
    """F4: the same form submitted twice finds its payment."""
    first = failed.retry(failed.attempts[0], key="a" * 32)
    second = failed.retry(failed.attempts[0], key="a" * 32)
    assert first.id == second.id
    assert failed.charges == [("4242", "100.00")]


def test_a_successfully_retried_payment_cannot_be_retried_again(failed):
    """F4."""
    failed.retry(failed.attempts[0])
    with pytest.raises(Conflict, match="already been retried successfully"):
        failed.retry(failed.attempts[0])
    assert failed.charges == [("4242", "100.00")]


def test_a_method_has_at_most_one_open_payment(failed):
    """F4: while the bank has not answered, a second Retry is refused."""
    failed.next_answer("timeout_after_charge")
    failed.retry(failed.attempts[0])
    with pytest.raises(Conflict, match="in progress"):
        failed.retry(failed.attempts[0])
    assert len(failed.charges) == 1


def test_another_accounts_failed_payment_cannot_be_retried(failed):
    """P1: it is not found."""
    other = failed.account()
    mine, failed.account_id = failed.attempts[0], other.account_id
    with pytest.raises(NotFound):
        failed.retry(mine)


def test_a_manual_payment_with_a_suspended_method_ends_its_suspension(failed):
    """F5."""
    failed.pay(failed.method("4444"), "30.00")
    assert failed.method("4444").standing(failed.clock.now()) is MethodStatus.READY
    failed.work()
    assert failed.balance == "70.00", "back above the threshold: nothing more is charged"


def test_a_failed_manual_payment_suspends_the_method(world):
    """F1: as an automatic one does."""
    (visa,) = world.cards(VISA)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(visa, "30.00")
    assert world.method("4242").standing(world.clock.now()) is MethodStatus.SUSPENDED
    (mail,) = world.mails_of("method_suspended")
    assert mail.facts["instead"] == "Nothing was charged instead."


def test_only_a_payment_started_after_the_failure_restores_the_method(world):
    """F8: the late success of an older payment does not restore it."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    late = world.attempts[0]
    world.clock.advance(minutes=5)
    from webapp.ports import DeclineClass

    world.session.rollback()
    world.method("4242").suspend(
        "do_not_honor", DeclineClass.SOFT, world.clock.now(), automatic=True
    )
    world.session.commit()
    world.pass_time(minutes=1)
    world.session.refresh(late)
    assert late.state == "paid"
    assert world.method("4242").standing(world.clock.now()) is MethodStatus.SUSPENDED


def test_a_method_is_restored_without_paying(failed):
    """F4: it is verified without an amount; then the waiting top-up continues with it."""
    restore(failed, "4242")
    assert failed.method("4242").standing(failed.clock.now()) is MethodStatus.READY
    failed.work()
    assert failed.tries[-1] == ("4242", "100.00", "paid")


def test_restore_is_refused_when_the_bank_does_not_verify_the_method(world):
    """F4: nothing changes, and an error is shown."""
    from tests.factories import DECLINING

    world.cards(DECLINING)
    world.refill()
    world.use("60.00")
    world.work()
    before = world.method("0341").suspended_until
    with pytest.raises(Refusal, match="was not restored"):
        restore(world, "0341")
    assert world.method("0341").suspended_until == before


def test_add_funds_by_auto_charge_falls_back(world):
    """L4: the chain of T6 and T7, for an amount that a person enters."""
    world.cards(VISA, MASTERCARD)
    world.next_answer("decline", decline_code="insufficient_funds")
    payment = world.pay_by_chain("75.00")
    assert payment.state == "paid"
    assert world.tries == [("4242", "75.00", "declined"), ("4444", "75.00", "paid")]
    (mail,) = world.mails_of("method_suspended")
    assert mail.facts["instead"] == "Mastercard •••• 4444 was charged $75.00 instead."


def test_add_funds_by_auto_charge_needs_consent(world):
    """L4, T5."""
    (visa, _) = world.cards(VISA, MASTERCARD)
    world.consent(visa, False)
    with pytest.raises(Conflict):
        world.pay_by_chain("75.00")
    assert world.tries == []


def restore(world, last4):
    return restore_method(world.ctx, world.account_id, world.method(last4).id)
