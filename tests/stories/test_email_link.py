"""Automatic refills that need authentication: the email's link resumes them (F7, F10)."""

import pytest

from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, VISA, micros
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.payments.queries import find_attempt
from webapp.domain.shared.errors import Conflict
from webapp.domain.top_ups.top_up import why_not_resumable

pytestmark = pytest.mark.story


@pytest.fixture
def declined(world):
    """The only method requires authentication; the balance is 40."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    world.use("60.00")
    world.work()
    return world


def why_link_ended(world) -> str:
    attempt = find_attempt(world.session, world.account_id, world.attempts[0].id)
    return why_not_resumable(world.ctx, attempt)


def test_one_email_with_a_link_is_sent(declined):
    """F7, F11: it replaces the email about the suspension."""
    (mail,) = declined.mails_of("authentication_required")
    assert mail.facts["amount"] == "$100.00"
    assert mail.facts["attempt_id"] == declined.attempts[0].id
    assert mail.facts["instead"] == "Nothing was charged instead."
    assert not declined.mails_of("method_suspended")
    letter = declined.services.mailer.render(mail.kind, mail.facts, mail.language)
    assert "/billing/authentications/" in letter.text
    assert letter.html.count("/billing/authentications/") == 1


def test_the_link_resumes_the_payment(declined):
    """F7, F4: with the customer present; success restores the method and refills the balance."""
    assert why_link_ended(declined) == ""
    payment = declined.retry(declined.attempts[0])
    declined.bank(declined.address_of(payment))
    assert declined.conclude(payment).state == "paid"
    assert declined.balance == "140.00"
    assert declined.method("3184").is_chargeable(declined.clock.now())


def test_a_used_link_ends(declined):
    """F10: paid or declined, it ends for good; an abandoned challenge does not use it."""
    payment = declined.retry(declined.attempts[0])
    assert "in progress" in why_link_ended(declined)
    declined.conclude(payment, give_up=True)
    assert why_link_ended(declined) == ""
    payment = declined.retry(declined.attempts[0])
    declined.bank(declined.address_of(payment), "fail")
    assert declined.conclude(payment).state == "failed"
    assert why_link_ended(declined) == "This link has been used."


def test_a_link_ends_after_48_hours(declined):
    """F10."""
    declined.clock.advance(hours=47, minutes=59, seconds=59)
    assert why_link_ended(declined) == ""
    declined.clock.advance(seconds=1)
    assert "48 hours" in why_link_ended(declined)


def test_a_link_ends_when_another_method_has_paid(declined):
    """F10: its top-up was closed by that payment."""
    declined.card(MASTERCARD, auto_charge=True)
    declined.work()
    assert declined.tries[-1] == ("4444", "100.00", "paid")
    assert "no longer needed" in why_link_ended(declined)


def test_a_link_waits_while_another_payment_is_in_progress(declined):
    """F10, T15: the next method is being charged, with an unknown outcome."""
    declined.card(MASTERCARD, auto_charge=True)
    declined.next_answer("timeout_before_charge", last4="4444")
    declined.work()
    assert "in progress" in why_link_ended(declined)
    with pytest.raises(Conflict, match="in progress"):
        declined.retry(declined.attempts[0], by_link=True)
    assert declined.charges == []


def test_no_link_is_sent_when_the_next_method_paid(world):
    """F10, T7."""
    world.card(CHALLENGED_ALWAYS)
    world.card(MASTERCARD, auto_charge=True)
    world.refill()
    world.use("60.00")
    world.work()
    assert "no longer needed" in why_link_ended(world)
    assert not world.mails_of("authentication_required"), "no link that is dead on arrival"
    (mail,) = world.mails_of("method_suspended")
    assert mail.facts["instead"] == "Mastercard •••• 4444 was charged $100.00 instead."


def test_a_link_ends_when_a_manual_payment_refilled_the_balance(declined):
    """F10: a payment that leaves the balance below the threshold does not end the link."""
    mastercard = declined.card(MASTERCARD)
    declined.use("40.00")
    declined.pay(mastercard, "30.00")
    assert why_link_ended(declined) == ""
    declined.pay(mastercard, "500.00")
    assert "no longer needed" in why_link_ended(declined)


def adjust(world):
    now, amount = world.clock.now(), micros("500.00")
    adjust_balance(world.ctx.at(now), world.account_id, amount, "Goodwill")


def pay_by_card(world):
    world.pay(world.card(MASTERCARD), "500.00")


@pytest.mark.parametrize("refill", [pay_by_card, adjust])
def test_nothing_reactivates_a_link_that_has_ended(declined, refill):
    """F10: a lower balance, another threshold, or switching refill off and on does not
    reactivate it.
    """
    refill(declined)
    assert "no longer needed" in why_link_ended(declined)
    declined.use("520.00")
    assert "no longer needed" in why_link_ended(declined), (
        "the balance is below the threshold again"
    )
    declined.apply(threshold="600.00")
    assert "no longer needed" in why_link_ended(declined)
    declined.apply(refill_on=False)
    declined.refill()
    assert "no longer needed" in why_link_ended(declined)


def test_a_link_of_a_later_refill_is_valid(declined):
    """F10: the end of the first link does not affect a later one."""
    visa = declined.card(VISA)
    declined.pay(visa, "500.00")
    declined.clock.advance(hours=47)
    declined.consent(declined.method("3184"), True)
    declined.clock.advance(hours=2)
    declined.run("lift suspensions")
    declined.use("520.00")
    declined.work()
    first, second = (it for it in declined.attempts if it.automatic)
    now = declined.clock.now()
    assert why_not_resumable(declined.ctx.at(now), first)
    assert why_not_resumable(declined.ctx.at(now), second) == ""


def test_the_next_methods_payment_ends_the_link_although_the_balance_stays_low(world):
    """F10, T7: that payment closed the refill."""
    world.card(CHALLENGED_ALWAYS)
    world.card(MASTERCARD, auto_charge=True)
    world.refill(day_limit="100.00")
    world.use("160.00")
    world.work()
    assert world.balance == "40.00"
    assert "no longer needed" in why_link_ended(world)
