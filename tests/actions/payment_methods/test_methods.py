"""Adding, switching, ordering and removing methods (M3–M12), and their audit trail (P2)."""

from dataclasses import replace

import pytest

from tests.factories import MASTERCARD, START, VISA
from webapp.actions.payment_methods.add_method import add_card
from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.revoke_methods import revoke_methods
from webapp.domain.events.rows import EventRow
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.shared.errors import Conflict, NotFound, Refusal, Stale
from webapp.processors.sandbox.card_form import read_card
from webapp.processors.sandbox.processor import SandboxProcessor

LOST = "4000000000009987"


def remove(world, method, account_id=None):
    return remove_method(world.ctx, account_id or world.account_id, method.id)


def reorder(world, order, seen=None):
    seen = seen or world.methods
    return reorder_methods(world.ctx, world.account_id, [m.id for m in order], [m.id for m in seen])


def audits(world, what):
    world.session.rollback()
    query = world.session.query(EventRow).filter_by(account_id=world.account_id, audit=what)
    return [(e.user_id, e.actor_name, e.address, e.at, e.facts) for e in query]


class ForgetfulProcessor(SandboxProcessor):
    """A sandbox that never confirms a revocation."""

    def revoke(self, method_reference):
        return False


# Adding


def test_a_saved_card_keeps_no_number_m7(world):
    """M7: stored are brand, last four, expiry, cardholder, address and a reference."""
    visa = world.card(VISA, expiry="08/28")
    assert (visa.label, visa.expiry, visa.cardholder) == ("Visa •••• 4242", "08/28", "Ana Ruiz")
    assert (visa.address_country, visa.address_city) == ("IE", "Dublin")
    kept = [str(getattr(visa, column.name)) for column in PaymentMethod.__table__.columns]
    assert not any(VISA in text or text == "123" for text in kept)


def test_adding_the_same_card_twice_refreshes_it_m8(world):
    """M8: the saved card keeps its position and its consent."""
    first, _ = world.card(VISA, expiry="08/28"), world.card(MASTERCARD)
    again = world.card(VISA, expiry="09/33")
    assert again.id == first.id
    assert [(m.last4, m.expiry, m.auto_charge) for m in world.methods] == [
        ("4242", "09/33", True),
        ("4444", "12/34", False),
    ]
    assert len(audits(world, "method_refreshed")) == 1


def test_the_same_card_of_another_account_is_separate_m8(world):
    """M8, P1."""
    other = world.account()
    mine, theirs = world.card(VISA), world.card(VISA, account_id=other.account_id)
    assert mine.id != theirs.id
    assert len(world.methods) == 1


@pytest.mark.parametrize("code", ["insufficient_funds", "stolen_card"])
def test_adding_a_card_again_lifts_no_block_m12(world, code):
    """M12: neither a suspension nor a hard decline is lifted."""
    (visa,) = world.cards(VISA)
    world.next_answer("decline", decline_code=code)
    world.pay(visa, "30.00")
    before = world.method("4242").standing(world.clock.now())
    world.card(VISA, expiry="11/36")
    assert before is not MethodStatus.READY
    assert world.method("4242").standing(world.clock.now()) is before


@pytest.mark.parametrize("code", ["insufficient_funds", "stolen_card"])
def test_removing_and_adding_a_card_lifts_no_block_m12(world, code):
    """M12, F3: the networks' ban applies to the card, not to our row of it."""
    (visa,) = world.cards(VISA)
    world.next_answer("decline", decline_code=code)
    world.pay(visa, "30.00")
    before = world.method("4242").standing(world.clock.now())
    remove(world, visa)
    world.card(VISA, auto_charge=True)
    assert world.method("4242").standing(world.clock.now()) is before


def test_a_card_removed_and_added_again_can_be_charged_m10(world):
    """M10, M13: revoking the removed card does not revoke the new one."""
    (visa,) = world.cards(VISA)
    remove(world, visa)
    again = world.card(VISA)
    world.run("revoke removed methods")
    payment = world.pay(again, "30.00")
    assert payment.state == "paid"


def add(world, token):
    return add_card(world.ctx, world.account_id, token, world.services.processors["sandbox"])


@pytest.mark.parametrize("number", [LOST])
def test_a_card_refused_by_the_bank_leaves_no_records_m6(world, number):
    """M6: no method, payment or suspension, and a plain reason."""
    card = read_card(
        {
            "number": number,
            "expiry": "12/34",
            "security_code": "123",
            "cardholder": "Ana Ruiz",
            "country": "IE",
            "line": "12 Harbour Road",
            "city": "Dublin",
            "postcode": "D18 A4R6",
        },
        START,
    )
    with pytest.raises(Refusal) as refused:
        add(world, world.books.vault.issue_token(card, START))
    assert "_" not in refused.value.sentence
    assert world.methods == []
    assert world.attempts == []


@pytest.mark.parametrize("token", ["", "tok_unknown", "x" * 5000, "a\x00b"])
def test_an_invalid_token_saves_nothing_m6(world, token):
    with pytest.raises(Refusal):
        add(world, token)
    assert world.methods == []


def test_a_new_card_resumes_the_top_up_t4(world):
    """T4, T11."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="stolen_card")
    world.use("60.00")
    world.work()
    world.card(MASTERCARD, auto_charge=True)
    world.run("top up")
    assert world.tries[-1] == ("4444", "100.00", "paid")


# Consent and order


def test_consent_changes_are_audited_once_m3(world):
    """M3, P2: switching to the current state is no change."""
    visa = world.card(VISA)
    for on in (True, False, False, True):
        world.consent(visa, on)
    assert [details["on"] for *_, details in audits(world, "auto_charge")] == [False, True]
    assert audits(world, "auto_charge")[0][:4] == (
        world.owner.user_id,
        "Ana Ruiz",
        "127.0.0.1",
        START,
    )


def test_order_changes_are_audited_m2(world):
    """M2, P2."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    reorder(world, [mastercard, visa])
    reorder(world, [mastercard, visa])
    ((*_, details),) = audits(world, "order")
    assert details["before"] == ["Visa •••• 4242", "Mastercard •••• 4444"]
    assert details["order"] == ["Mastercard •••• 4444", "Visa •••• 4242"]


def test_an_order_with_another_accounts_method_is_not_found_p1(world):
    """P1: the foreign method may be in the new or in the seen order."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    theirs = world.card(VISA, account_id=world.account(name="Other Ltd").account_id)
    for order, seen in (([visa, theirs], None), ([visa, mastercard], [visa, theirs])):
        with pytest.raises(NotFound):
            reorder(world, order, seen)
    assert [method.id for method in world.methods] == [visa.id, mastercard.id]


def test_a_second_order_based_on_a_stale_list_is_refused_m5(world):
    """M5: the first order remains."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    seen = world.methods
    reorder(world, [mastercard, visa], seen)
    with pytest.raises(Stale):
        reorder(world, [visa, mastercard], seen)
    assert [m.last4 for m in world.methods] == ["4444", "4242"]


# Removing


def test_removal_closes_the_gap_in_the_order_m10(world):
    """M10, M2, P2: the next method becomes primary; history stays readable."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.pay(visa, "30.00")
    remove(world, visa)
    assert [(m.last4, m.position) for m in world.methods] == [("4444", 1)]
    assert world.tries == [("4242", "30.00", "paid")]
    assert audits(world, "method_removed")[0][4]["method"] == "Visa •••• 4242"


def test_removal_is_refused_while_a_payment_is_open_m10(world):
    """M10: removal is allowed once the payment is settled."""
    (visa,) = world.cards(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    with pytest.raises(Conflict, match="in progress"):
        remove(world, visa)
    world.session.rollback()
    assert len(world.methods) == 1
    world.pass_time(seconds=10)
    remove(world, visa)
    assert world.methods == []


def test_a_second_removal_is_not_found_m10(world):
    """M10: it changes nothing."""
    (visa,) = world.cards(VISA)
    remove(world, visa)
    with pytest.raises(NotFound):
        remove(world, visa)
    world.session.rollback()
    assert len(audits(world, "method_removed")) == 1


def test_another_accounts_method_cannot_be_removed_p1(world):
    other = world.account()
    theirs = world.card(VISA, account_id=other.account_id)
    with pytest.raises(NotFound):
        remove(world, theirs)
    world.session.rollback()
    assert theirs.removed_at is None


def test_revocation_at_the_processor_is_retried_until_done_m10(world):
    """M10, M13: a failed revocation is repeated, a successful one is not."""
    (visa,) = world.cards(VISA)
    remove(world, visa)
    forgetful = {"sandbox": ForgetfulProcessor(world.books, world.clock)}
    for _ in range(2):
        assert revoke_methods(replace(world.ctx, processors=forgetful)) == 0

    world.clock.advance(hours=1)
    willing = world.services.processors
    assert revoke_methods(replace(world.ctx, processors=willing)) == 1
    assert revoke_methods(replace(world.ctx, processors=willing)) == 0
    assert world.books.vault.card(visa.processor_reference).is_gone
