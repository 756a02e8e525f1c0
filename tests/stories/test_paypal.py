"""PayPal: offered if the operator allows it, listed once the agreement was given (M11)."""

import pytest

from tests.factories import VISA
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal

pytestmark = pytest.mark.story


@pytest.fixture
def allowed(world):
    world.session.get(Account, world.account_id).paypal_allowed = True
    world.session.commit()
    return world


def agree(world, email="ana@example.com"):
    asked = world.begin_paypal()
    challenge = asked.address.rstrip("/").rpartition("/")[2]
    world.books.challenges.agree(challenge, email, world.clock.now())
    return world.finish(asked)


def test_paypal_is_refused_unless_the_operator_allows_it(world):
    """M11."""
    with pytest.raises(Refusal, match="Ask your provider"):
        world.begin_paypal()


def test_an_agreement_is_listed_with_the_payers_email(allowed):
    """M1, M4: a method like any other; the first has auto-charge on."""
    method = agree(allowed)
    assert method.label == "PayPal ana@example.com"
    assert method.auto_charge
    allowed.refill()
    allowed.use("60.00")
    allowed.work()
    assert allowed.balance == "140.00"


def test_a_cancelled_agreement_leaves_nothing(allowed):
    """M6."""
    asked = allowed.begin_paypal()
    allowed.bank(asked.address, "cancel")
    with pytest.raises(Refusal, match="Nothing was saved"):
        allowed.finish(asked)
    assert allowed.methods == []


def test_the_same_payer_is_saved_once(allowed):
    """M8."""
    first, second = agree(allowed), agree(allowed)
    assert first.id == second.id
    assert len(allowed.methods) == 1


def test_consent_is_offered_if_no_method_is_chargeable(world):
    """M12: unticked it changes nothing; ticked the card is charged at once if the balance is
    low.
    """
    world.card(VISA)
    world.refill()
    world.next_answer("decline", decline_code="stolen_card")
    world.use("60.00")
    world.work()
    from webapp.reads.payment_methods.saving_offer import read_saving_offer

    offer = read_saving_offer(world.ctx, world.account_id)
    assert (offer.asks_consent, offer.note, offer.reason) == (
        True,
        "Saving this card charges $100.00 now.",
        "Refill is on and your balance of $40.00 is below $50.00.",
    )
    from tests.factories import MASTERCARD

    world.card(MASTERCARD, consent=True)
    world.work()
    assert world.tries[-1] == ("4444", "100.00", "paid")
