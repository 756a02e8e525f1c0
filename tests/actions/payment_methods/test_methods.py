"""Adding, switching, ordering and removing methods (M3–M12), and who did it (P2)."""

import pytest

from tests.factories import MASTERCARD, START, VISA
from webapp.actions.payment_methods.add_method import add_card
from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.revoke_methods import revoke_methods
from webapp.domain.accounts.audit import AuditEntry
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.shared.errors import Conflict, NotFound, Refusal, Stale
from webapp.processors.sandbox.form import read_card
from webapp.processors.sandbox.processor import SandboxProcessor

LOST = "4000000000009987"


def remove(world, method, account_id=None):
    return remove_method(
        world.session,
        account_id or world.account_id,
        method.id,
        world.owner,
        world.services.processors,
        world.clock,
        world.policy,
    )


def reorder(world, order, seen=None):
    seen = seen or world.methods
    return reorder_methods(
        world.session,
        world.account_id,
        [m.id for m in order],
        [m.id for m in seen],
        world.owner,
        world.clock.now(),
        world.policy,
    )


def audits(world, what):
    world.session.rollback()
    query = world.session.query(AuditEntry).filter_by(account_id=world.account_id, what=what)
    return [(e.user_id, e.actor_name, e.address, e.at, e.details) for e in query]


class ForgetfulProcessor(SandboxProcessor):
    """The sandbox on a day when it does not answer revocations."""

    def revoke(self, method_reference):
        return False


# Adding


def test_what_is_kept_m7(world):
    """M7: brand, last four, expiry, cardholder and address, and a reference; never the number."""
    visa = world.card(VISA, expiry="08/28")
    assert (visa.label, visa.expiry, visa.cardholder) == ("Visa •••• 4242", "08/28", "Ana Ruiz")
    assert (visa.address_country, visa.address_city) == ("IE", "Dublin")
    kept = [str(getattr(visa, column.name)) for column in PaymentMethod.__table__.columns]
    assert not any(VISA in text or text == "123" for text in kept)


def test_the_same_card_twice_is_one_m8(world):
    """M8: the saved one is refreshed, not doubled; its place and its consent stay."""
    first, _ = world.card(VISA, expiry="08/28"), world.card(MASTERCARD)
    again = world.card(VISA, expiry="09/33")
    assert again.id == first.id
    assert [(m.last4, m.expiry, m.auto_charge) for m in world.methods] == [
        ("4242", "09/33", True),
        ("4444", "12/34", False),
    ]
    assert len(audits(world, "method_refreshed")) == 1


def test_another_accounts_same_card_is_its_own_m8(world):
    """M8, P1."""
    other = world.account()
    mine, theirs = world.card(VISA), world.card(VISA, account_id=other.account_id)
    assert mine.id != theirs.id
    assert len(world.methods) == 1


@pytest.mark.parametrize("code", ["insufficient_funds", "stolen_card"])
def test_adding_it_again_lifts_no_bar_m12(world, code):
    """M12: neither a suspension nor a bar."""
    (visa,) = world.cards(VISA)
    world.next_answer("decline", decline_code=code)
    world.pay(visa, "30.00")
    before = world.method("4242").standing(world.clock.now())
    world.card(VISA, expiry="11/36")
    assert before is not MethodStatus.READY
    assert world.method("4242").standing(world.clock.now()) is before


@pytest.mark.parametrize("code", ["insufficient_funds", "stolen_card"])
def test_removing_it_first_lifts_no_bar_either_m12(world, code):
    """M12, F3: the networks' ban is on the card, not on our row of it."""
    (visa,) = world.cards(VISA)
    world.next_answer("decline", decline_code=code)
    world.pay(visa, "30.00")
    before = world.method("4242").standing(world.clock.now())
    remove(world, visa)
    world.card(VISA, auto_charge=True)
    assert world.method("4242").standing(world.clock.now()) is before


def test_a_card_that_was_removed_and_added_again_is_charged_m10(world):
    """M10, M13: revoking the removed one does not revoke the new one."""
    (visa,) = world.cards(VISA)
    remove(world, visa)
    again = world.card(VISA)
    world.run("revoke removed methods")
    payment = world.pay(again, "30.00")
    assert payment.state == "paid"


def add(world, token):
    return add_card(
        world.session,
        world.account_id,
        token,
        world.owner,
        world.services.processors["sandbox"],
        world.clock,
        world.policy,
    )


@pytest.mark.parametrize("number", [LOST])
def test_a_card_that_the_bank_refuses_leaves_nothing_m6(world, number):
    """M6: no method, no payment, no suspension, and a plain reason."""
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
def test_a_token_that_is_none_saves_nothing_m6(world, token):
    with pytest.raises(Refusal):
        add(world, token)
    assert world.methods == []


def test_a_new_card_lets_the_top_up_go_on_t4(world):
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


def test_consent_is_audited_once_m3(world):
    """M3, P2: the wished state; switching to what it is already is no change."""
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


def test_the_order_is_audited_m2(world):
    """M2, P2."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    reorder(world, [mastercard, visa])
    reorder(world, [mastercard, visa])
    ((*_, details),) = audits(world, "order")
    assert details["before"] == ["Visa •••• 4242", "Mastercard •••• 4444"]
    assert details["order"] == ["Mastercard •••• 4444", "Visa •••• 4242"]


def test_an_order_that_names_others_methods_p1(world):
    """P1: another account's method is not found, whether it is named as wished or as seen."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    theirs = world.card(VISA, account_id=world.account(name="Other Ltd").account_id)
    for order, seen in (([visa, theirs], None), ([visa, mastercard], [visa, theirs])):
        with pytest.raises(NotFound):
            reorder(world, order, seen)
    assert [method.id for method in world.methods] == [visa.id, mastercard.id]


def test_two_people_ordering_at_once_m5(world):
    """M5: the second is refused with the fresh list, and a valid order stands."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    seen = world.methods
    reorder(world, [mastercard, visa], seen)
    with pytest.raises(Stale):
        reorder(world, [visa, mastercard], seen)
    assert [m.last4 for m in world.methods] == ["4444", "4242"]


# Removing


def test_removal_closes_the_gap_m10(world):
    """M10, M2, P2: the next one becomes primary; what was paid with it stays readable."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.pay(visa, "30.00")
    remove(world, visa)
    assert [(m.last4, m.position) for m in world.methods] == [("4444", 1)]
    assert world.tries == [("4242", "30.00", "paid")]
    assert audits(world, "method_removed")[0][4] == {"method": "Visa •••• 4242"}


def test_removal_is_refused_while_a_payment_is_open_m10(world):
    """M10: and allowed when it is settled."""
    (visa,) = world.cards(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    with pytest.raises(Conflict, match="under way"):
        remove(world, visa)
    world.session.rollback()
    assert len(world.methods) == 1
    world.pass_time(seconds=10)
    remove(world, visa)
    assert world.methods == []


def test_removed_twice_m10(world):
    """M10: the second is not found, and changes nothing."""
    (visa,) = world.cards(VISA)
    remove(world, visa)
    with pytest.raises(NotFound):
        remove(world, visa)
    world.session.rollback()
    assert len(audits(world, "method_removed")) == 1


def test_another_accounts_method_is_not_removed_p1(world):
    other = world.account()
    theirs = world.card(VISA, account_id=other.account_id)
    with pytest.raises(NotFound):
        remove(world, theirs)
    world.session.rollback()
    assert theirs.removed_at is None


def test_removal_is_repeated_at_the_processor_until_it_is_done_m10(world):
    """M10, M13: a revocation that failed is asked for again, and one that is done is not."""
    (visa,) = world.cards(VISA)
    remove(world, visa)
    forgetful = {"sandbox": ForgetfulProcessor(world.books, world.clock)}
    for _ in range(2):
        assert revoke_methods(world.session, forgetful, world.clock) == 0

    world.clock.advance(hours=1)
    willing = world.services.processors
    assert revoke_methods(world.session, willing, world.clock) == 1
    assert revoke_methods(world.session, willing, world.clock) == 0
    assert world.books.vault.card(visa.processor_reference).revoked
