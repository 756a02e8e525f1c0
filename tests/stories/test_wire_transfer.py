"""Wire transfers, from the request to the credit (L5, L11)."""

import pytest

from tests import wires
from tests.factories import VISA
from webapp.reads.ledger.ledger_check import check_ledger

pytestmark = pytest.mark.story


@pytest.fixture(autouse=True)
def books_that_prove(world):
    """L13: the books agree after every test."""
    yield
    assert check_ledger(world.session, world.books.paid_charges).differences == ()


def rendered(world):
    return [
        world.services.mailer.render(notice.kind, notice.facts, notice.language)
        for notice in world.notices
    ]


def test_a_completed_wire_is_credited_and_receipted(world):
    """L5, L6, P4"""
    wire = wires.ask(world, "1000.00")
    assert (wire.state, world.balance) == ("new", "100.00")

    world.clock.advance(hours=3)
    wires.prove(world, wire)
    assert (wires.again(world, wire).state, world.balance) == ("proof_uploaded", "100.00")

    world.clock.advance(days=2)
    assert wires.complete(world, wire) is True
    assert (wires.again(world, wire).state, world.balance) == ("completed", "1100.00")

    assert world.mails == ["wire_requested", "wire_proof", "wire_completed"]
    asked, proof, receipt = rendered(world)
    assert "IE00 SNBX 0000 1234 5678 90" in asked.text
    assert wire.reference in asked.subject
    assert receipt.subject == "Receipt: $1,000.00 paid by wire transfer"
    assert "New balance: $1,100.00" in receipt.text
    assert "Payment: P-" in receipt.text
    for mail in (proof, receipt):
        assert "\N{NO-BREAK SPACE}UTC" in mail.text
    assert wires.audited(world)[-3:] == ["wire_requested", "wire_proof_added", "wire_completed"]


def test_a_wire_in_euros_is_booked_as_converted(world):
    """L11: both amounts and the rate are shown."""
    wire = wires.ask(world, "900.00", "EUR")
    wires.complete(world, wire, "975.78", received="900.00", rate="1.0842")

    assert world.balance == "1075.78"
    (receipt,) = [
        world.services.mailer.render(n.kind, n.facts, n.language) for n in world.notices[-1:]
    ]
    for words in ("€900.00", "1 EUR = 1.0842 USD", "$975.78"):
        assert words in receipt.text
    payment = wires.again(world, wire).payment
    assert payment.note == f"{wire.reference}, €900.00 at 1.0842"
    assert (payment.currency, payment.amount) == ("USD", 975_780_000)


def test_a_smaller_wire_than_requested_credits_what_arrived(world):
    """L11: the booked amount counts."""
    wire = wires.ask(world, "1000.00")
    wires.complete(world, wire, "985.00")
    assert world.balance == "1085.00"


def test_a_rejected_wire_credits_nothing_and_says_why(world):
    wire = wires.ask(world)
    wires.prove(world, wire)
    wires.reject(world, wire, "The transfer was called back by your bank.")

    assert world.balance == "100.00"
    assert world.mails[-1] == "wire_rejected"
    assert "The transfer was called back by your bank." in rendered(world)[-1].text


def test_a_cancelled_wire_credits_nothing(world):
    wire = wires.ask(world)
    wires.cancel(world, wire)

    assert world.balance == "100.00"
    assert world.mails == ["wire_requested", "wire_cancelled"]
    assert "Cancelled by: Ana Ruiz" in rendered(world)[-1].text


def test_a_sufficient_wire_makes_a_refill_unnecessary(world):
    """T4, T14: the balance is checked again, and no card is charged."""
    world.cards(VISA)
    world.refill("50.00", "100.00")
    wire = wires.ask(world)
    world.use("60.00")
    wires.complete(world, wire)
    world.work()

    assert world.tries == []
    assert world.balance == "1040.00"


def test_a_refill_follows_a_wire_that_is_too_small(world):
    """T3, T4"""
    wire = wires.ask(world, "30.00")
    world.use("150.00")
    world.cards(VISA)
    world.refill("50.00", "100.00")
    wires.complete(world, wire, "30.00")
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


def test_a_wire_restores_no_method(world):
    """F5: only the customer's own payment with the method does."""
    card = world.card(VISA, auto_charge=True)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(card)
    wires.complete(world, wires.ask(world))
    assert world.method("4242").is_suspended(world.clock.now())


def test_a_wire_counts_towards_no_limit(world):
    """T10: limits apply to automatic refills."""
    world.cards(VISA)
    world.refill("50.00", "100.00", day_limit="100.00")
    wires.complete(world, wires.ask(world))
    world.use("560.00")
    world.use("500.00")
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]
