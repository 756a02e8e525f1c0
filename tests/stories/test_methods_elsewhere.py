"""M13: what changes at the processor is followed, and the consent stays as it is."""

from tests.factories import MASTERCARD, VISA
from webapp.actions.allow_paypal import allow_paypal
from webapp.reads.payment_methods import read_screen


def row(world, index=0):
    screen = read_screen(world.session, world.account_id, world.clock.now(), world.policy)
    return screen.methods[index], screen


def test_a_card_that_is_gone_is_told_on_its_row_and_passed_over(world):
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00")
    world.books.afterwards.take_away(visa.processor_reference, world.clock.now())

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


def test_what_was_removed_here_is_no_news_when_the_processor_tells_of_it(world):
    visa, _ = world.cards(VISA, MASTERCARD)
    reference = visa.processor_reference
    world.remove(visa)
    world.run("revoke methods")
    world.books.afterwards.take_away(reference, world.clock.now())

    world.deliver()

    assert "method_gone" not in world.timeline


def test_a_card_that_is_added_again_is_back(world):
    visa = world.card(VISA, auto_charge=True)
    world.books.afterwards.take_away(visa.processor_reference, world.clock.now())
    world.deliver()

    world.card(VISA)

    assert row(world)[0].trouble == ""
    assert len(world.methods) == 1


def test_an_expiry_that_the_bank_renews_is_taken_over(world):
    visa = world.card(VISA, expiry="12/26", auto_charge=False)
    world.clock.advance(days=60)
    assert row(world)[0].detail == "Expired 12/26"
    world.books.afterwards.renew(visa.processor_reference, world.clock.now())

    world.deliver(times=2)

    assert row(world)[0].detail == "Expires 12/30"
    assert world.method("4242").auto_charge is False
    assert world.timeline.count("method_updated") == 1


def test_a_renewed_card_is_charged_again_at_once_if_the_balance_is_low(world):
    """T4: the answer has changed."""
    visa = world.card(VISA, expiry="12/26", auto_charge=True)
    world.refill("50.00", "100.00")
    world.clock.advance(days=60)
    world.use("60.00")
    world.work()
    assert world.charges == []

    world.books.afterwards.renew(visa.processor_reference, world.clock.now())
    world.deliver()
    world.work()

    assert world.charges == [("4242", "100.00")]


def test_an_agreement_that_the_payer_cancels_is_gone(world):
    allow_paypal(world.session, world.account_id, True, world.owner, world.clock.now())
    asked = world.begin_paypal()
    world.books.desk.agree(asked.address.rpartition("/")[2], "ana@example.com", world.clock.now())
    world.finish(asked)
    reference = world.methods[0].processor_reference
    world.books.afterwards.take_away(reference, world.clock.now())

    world.deliver()

    assert row(world)[0].trouble == "No longer valid at PayPal · Add it again"
