"""L13: the ledger check finds each way in which the books can be wrong."""

from functools import partial

import pytest

from tests import tampering, wires
from tests.factories import context
from webapp.domain.accounts.account import Account
from webapp.domain.payments import adjustments
from webapp.ports import ChargeRequest
from webapp.processors.sandbox.records import AnswerKind
from webapp.reads.ledger.ledger_check import check_ledger


@pytest.fixture
def check(session, world):
    """Runs the check and returns the codes of the differences, in order."""

    def run(books=world.books.paid_charges):
        return [difference.code for difference in check_ledger(session, books).differences]

    return run


@pytest.fixture
def tamper(session, world):
    return partial(tampering.tamper, session)


@pytest.fixture
def paid(world):
    """An account with usage, a paid payment and a declined one."""
    card = world.card()
    world.pay(card, "100.00")
    world.use("12.345678")
    world.next_answer(AnswerKind.DECLINE, decline_code="generic_decline")
    world.pay(card, "50.00")
    return next(attempt for attempt in world.attempts if attempt.state == "paid")


def test_correct_books_agree(session, world, paid):
    found = check_ledger(session, world.books.paid_charges)

    assert found.agrees
    assert found.differences == ()
    # The opening balance is an operator's payment, with an entry and without a sandbox charge.
    assert (found.accounts, found.entries, found.payments, found.charges) == (1, 3, 3, 1)


def test_an_empty_account_agrees(check, world):
    world.account(balance=None)
    assert check() == []


def test_a_debit_adjustment_agrees(check, session, world):
    account = Account.locked(session, world.account_id)
    adjustments.post(context(session, now=world.clock.now()), account, -5_000_000, "Wrong tariff")
    session.commit()
    assert check() == []


def test_without_a_sandbox_its_charges_are_not_checked(session, paid):
    assert check_ledger(session, None).agrees


def test_differences_name_their_account(check, world, paid, tamper):
    other = world.account()
    tamper("UPDATE account SET balance = balance + 1 WHERE id = :id", id=other.account_id)
    found = check_ledger(world.session, None)
    assert {difference.account_id for difference in found.differences} == {other.account_id}


def test_a_balance_other_than_the_ledgers_sum_is_found(check, paid, tamper):
    tamper("UPDATE account SET balance = balance + 1")
    assert check() == ["balance_is_not_the_sum", "balance_is_not_the_chains_end"]


def test_a_changed_entry_breaks_sum_and_chain(check, paid, tamper):
    tamper("UPDATE ledger_entry SET amount = amount - 1 WHERE kind = 'usage'")
    assert check() == ["balance_is_not_the_sum", "chain_is_broken"]


def test_a_changed_chain_is_found(check, paid, tamper):
    tamper("UPDATE ledger_entry SET balance_after = balance_after + 1 WHERE kind = 'payment'")
    assert check() == ["chain_is_broken", "chain_is_broken"]


def test_a_removed_entry_is_found(check, paid, tamper):
    tamper("DELETE FROM ledger_entry WHERE kind = 'usage'")
    assert check() == ["balance_is_not_the_sum", "balance_is_not_the_chains_end"]


def test_two_errors_that_cancel_out_are_found(check, world, paid, tamper):
    world.use("1.00")
    tamper(
        "UPDATE ledger_entry SET amount = amount + CASE reference WHEN 'call-1' THEN 1 ELSE -1 END "
        "WHERE kind = 'usage'"
    )
    assert check() == ["chain_is_broken", "chain_is_broken"]


def test_a_credit_without_a_payment_is_found(check, paid, tamper):
    tamper("UPDATE ledger_entry SET attempt_id = NULL WHERE attempt_id = :id", id=paid.id)
    assert check() == ["credit_without_payment", "paid_but_not_credited_once"]


def test_usage_that_adds_money_is_found(check, paid, tamper):
    tamper("UPDATE ledger_entry SET amount = -amount WHERE kind = 'usage'")
    assert "credit_without_payment" in check()


def test_a_credit_of_another_account_is_found(check, world, paid, tamper):
    other = world.account(balance=None)
    tamper(
        "UPDATE attempt SET account_id = :other WHERE id = :id", other=other.account_id, id=paid.id
    )
    assert check() == ["credit_of_another_account"]


def test_a_credit_of_an_unpaid_attempt_is_found(check, paid, tamper):
    tamper("UPDATE attempt SET state = 'declined' WHERE id = :id", id=paid.id)
    assert check() == [
        "credit_of_unpaid_attempt",
        "payment_and_attempts_differ",
        "charged_but_not_credited",
    ]


def test_a_credit_of_another_amount_is_found(check, paid, tamper):
    tamper("UPDATE attempt SET amount = amount + 1 WHERE id = :id", id=paid.id)
    assert check() == [
        "credit_of_another_amount",
        "payment_and_attempts_differ",
        "charged_another_amount",
    ]


def test_a_paid_attempt_without_a_credit_is_found(check, paid, tamper):
    tamper("DELETE FROM ledger_entry WHERE attempt_id = :id", id=paid.id)
    assert "paid_but_not_credited_once" in check()


def test_a_paid_attempt_credited_twice_is_found(check, paid, tamper):
    tamper("DROP INDEX uq_ledger_entry_attempt_id")
    tamper(
        "INSERT INTO ledger_entry (account_id, kind, amount, balance_after, description, "
        "attempt_id, occurred_at, posted_at) SELECT account_id, kind, amount, "
        "(SELECT balance FROM account) + amount, description, attempt_id, occurred_at, posted_at "
        "FROM ledger_entry WHERE attempt_id = :id",
        id=paid.id,
    )
    tamper("UPDATE account SET balance = balance + :amount", amount=paid.amount)
    assert check() == ["paid_but_not_credited_once"]


def test_an_attempt_in_another_currency_is_found(check, paid, tamper):
    tamper("UPDATE attempt SET currency = 'EUR' WHERE id = :id", id=paid.id)
    assert check() == ["other_currency", "charged_another_amount"]


def test_a_payment_that_differs_from_its_attempts_is_found(check, paid, tamper):
    tamper("UPDATE payment SET state = 'failed' WHERE id = :id", id=paid.payment_id)
    assert check() == ["payment_and_attempts_differ"]


def test_a_paid_payment_without_a_paid_attempt_is_found(check, paid, tamper):
    tamper("UPDATE payment SET state = 'paid' WHERE state = 'failed'")
    assert check() == ["payment_and_attempts_differ"]


def test_a_charge_of_an_open_attempt_is_no_difference(check, world):
    card = world.card()
    world.next_answer(AnswerKind.TIMEOUT_AFTER_CHARGE)
    world.pay(card)

    assert [attempt.state for attempt in world.attempts] == ["unknown"]
    assert world.charges
    assert check() == []


def test_a_charge_without_an_attempt_is_found(check, world, paid):
    """L9, L13: money was taken that no attempt requested."""
    card = world.method("4242")
    request = ChargeRequest("another-shop", 1_000_000, "USD", card.processor_reference, True)
    world.services.processors["sandbox"].charge(request)
    assert check() == ["charged_without_attempt"]


def test_a_charge_booked_twice_is_found(check, world, paid):
    assert check(lambda: world.books.paid_charges() * 2) == ["charged_twice", "charged_twice"]


def test_a_paid_attempt_unknown_to_the_sandbox_is_found(check, paid):
    assert check(list) == ["credited_but_not_charged"]


def test_a_charge_of_another_amount_is_found(check, paid):
    assert check(lambda: [(paid.key, paid.amount + 1, "USD")]) == ["charged_another_amount"]


def test_a_payment_made_during_the_check_is_no_difference(check, world, paid):
    """The first reading of the sandbox misses the payment, the ledger has it, the second has it
    too.
    """
    looks = []

    def paid_charges():
        looks.append(world.books.paid_charges())
        if len(looks) == 1:
            world.pay(world.method("4242"), "75.00")
        return looks[-1]

    assert check(paid_charges) == []
    assert [len(look) for look in looks] == [1, 2]


def test_the_check_leaves_no_transaction_open(check, session, paid):
    check()
    assert not session.in_transaction()


def test_each_difference_has_a_sentence_with_the_amounts(session, world, paid, tamper):
    tamper("UPDATE account SET balance = balance + 10000")
    [first, _] = check_ledger(session, None).differences
    assert first.account_id == world.account_id
    assert first.sentence == (
        f"Account {world.account_id} has 187.664322, but its ledger sums to 187.654322."
    )


# Wire transfers


@pytest.fixture
def wired(world):
    wire = wires.ask(world, "900.00", "EUR")
    wires.complete(world, wire, "975.78", received="900.00", rate="1.0842")
    wires.complete(world, wires.ask(world, "500.00"), "500.00")
    return wires.again(world, wire)


def test_completed_wires_agree(check, wired):
    """L13"""
    assert check() == []


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE wire_request SET rate = '1.2' WHERE id = :id", "wire_and_payment_differ"),
        ("UPDATE wire_request SET received = received + 20000", "wire_and_payment_differ"),
        ("UPDATE wire_request SET state = 'cancelled' WHERE id = :id", "wire_and_payment_differ"),
        ("UPDATE payment SET kind = 'adjustment' WHERE kind = 'wire'", "wire_and_payment_differ"),
        ("DELETE FROM wire_request WHERE id = :id", "wire_payment_without_request"),
        (
            "UPDATE wire_request SET state = 'completed', payment_id = NULL WHERE id = :id",
            "wire_without_payment",
        ),
    ],
)
def test_a_wire_that_differs_from_its_payment_is_found(check, wired, tamper, statement, code):
    """L13"""
    tamper("UPDATE event SET wire_id = NULL")
    tamper(statement, **({"id": wired.id} if ":id" in statement else {}))
    assert code in check()
