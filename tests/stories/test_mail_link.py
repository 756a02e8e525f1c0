"""An automatic payment that the bank wants confirmed: the mail's link resumes it (F7, F10)."""

import pytest

from tests.factories import CHALLENGED_ALWAYS, MASTERCARD
from webapp.domain.attempts import find_attempt
from webapp.domain.top_ups import why_not_resumable

pytestmark = pytest.mark.story


@pytest.fixture
def declined(world):
    """The only method wants its customer; the balance stands at 40."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    world.use("60.00")
    world.work()
    return world


def ended(world) -> str:
    attempt = find_attempt(world.session, world.account_id, world.attempts[0].id)
    return why_not_resumable(world.session, attempt, world.clock.now())


def test_one_mail_with_a_link(declined):
    """F7, F11: it takes the place of the mail about the suspension."""
    (mail,) = declined.mails_of("authentication_required")
    assert mail.facts["amount"] == "$100.00"
    assert mail.facts["attempt_id"] == declined.attempts[0].id
    assert mail.facts["instead"] == "Nothing was charged instead."
    assert not declined.mails_of("method_suspended")
    letter = declined.parts.mailer.render(mail.kind, mail.facts, mail.language)
    assert "/billing/authentications/" in letter.text
    assert letter.html.count("/billing/authentications/") == 1


def test_the_link_resumes_the_payment(declined):
    """F7, F4: with the customer present; success restores the method and fills the balance."""
    assert ended(declined) == ""
    payment = declined.retry(declined.attempts[0])
    declined.bank(declined.address_of(payment))
    assert declined.conclude(payment).state == "paid"
    assert declined.balance == "140.00"
    assert declined.method("3184").is_chargeable(declined.clock.now())


def test_it_dies_when_used(declined):
    """F10; one that was walked away from can be used again."""
    payment = declined.retry(declined.attempts[0])
    assert ended(declined) == "This link has been used."
    declined.conclude(payment, give_up=True)
    assert ended(declined) == ""


def test_it_dies_after_48_hours(declined):
    """F10."""
    declined.clock.advance(hours=47, minutes=59, seconds=59)
    assert ended(declined) == ""
    declined.clock.advance(seconds=1)
    assert "48 hours" in ended(declined)


def test_it_dies_when_another_payment_has_come_first(declined):
    """F10: its top-up has been closed by another payment."""
    declined.card(MASTERCARD, auto_charge=True)
    declined.work()
    assert declined.tries[-1] == ("4444", "100.00", "paid")
    assert "no longer needed" in ended(declined)


def test_it_is_dead_at_once_where_the_next_method_paid(world):
    """F10, T7."""
    world.card(CHALLENGED_ALWAYS)
    world.card(MASTERCARD, auto_charge=True)
    world.refill()
    world.use("60.00")
    world.work()
    assert "no longer needed" in ended(world)
    assert not world.mails_of("authentication_required"), "no link that is dead on arrival"
    (mail,) = world.mails_of("method_suspended")
    assert mail.facts["instead"] == "Mastercard •••• 4444 was charged $100.00 instead."


def test_it_dies_when_a_person_has_filled_the_balance(declined):
    """F10: whoever paid, what the top-up was for is done; too little leaves the link alive."""
    mastercard = declined.card(MASTERCARD)
    declined.pay(mastercard, "500.00")
    assert "no longer needed" in ended(declined)
    declined.use("520.00")
    assert ended(declined) == "", "low again: the payment is needed again"
