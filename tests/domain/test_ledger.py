"""L2: the database itself refuses what would break the books, whoever asks."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from tests.factories import VISA, sum_of
from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import Entry, EntryKind, LedgerEntry
from webapp.domain.payments import adjustments

ROW = """INSERT INTO ledger_entry
    (account_id, kind, amount, balance_after, reference, description, attempt_id,
     occurred_at, posted_at)
    VALUES (:account, :kind, :amount, :after, :reference, '', :attempt,
     '2026-11-22 10:00:00', '2026-11-22 10:00:00')"""


@pytest.fixture
def books(world):
    """An opening balance of 100, usage of 10 and a payment of 30: 120."""
    (visa,) = world.cards(VISA)
    world.use("10.00", reference="metered-1")
    world.pay(visa, "30.00")
    assert world.balance == "120.00"
    return world


def row(books, **told):
    books.session.rollback()
    standard = {
        "account": books.account_id,
        "kind": "usage",
        "amount": -1_000_000,
        "after": 119_000_000,
        "reference": None,
        "attempt": None,
    }
    books.session.execute(text(ROW), {**standard, **told})


def free_attempt(books):
    """One that has credited nothing."""
    books.next_answer("decline", decline_code="do_not_honor")
    books.pay(books.method("4242"), "30.00")
    return books.attempts[-1].id


def test_a_good_row_is_taken_l2(books):
    """L2: so that the refusals below are no accident of the statement."""
    row(books)
    books.session.execute(
        text("UPDATE account SET balance = 119000000 WHERE id = :id"), {"id": books.account_id}
    )
    books.session.rollback()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE ledger_entry SET amount = amount + 1", "append-only"),
        ("UPDATE ledger_entry SET description = 'x' WHERE kind = 'usage'", "append-only"),
        ("UPDATE ledger_entry SET posted_at = occurred_at", "append-only"),
        ("DELETE FROM ledger_entry", "append-only"),
        ("DELETE FROM ledger_entry WHERE kind = 'usage'", "append-only"),
        ("UPDATE account SET balance = balance + 1000000", "the end of its ledger"),
        ("UPDATE account SET balance = 0", "the end of its ledger"),
    ],
)
def test_what_stands_is_never_changed_l2(books, statement, words):
    """L2: neither rows nor balances, not even from a database prompt."""
    books.session.rollback()
    with pytest.raises(DatabaseError, match=words):
        books.session.execute(text(statement))
    assert books.balance == "120.00"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"after": 118_999_999}, "continue its account's chain"),
        ({"after": 120_000_000}, "continue its account's chain"),
        ({"kind": "payment", "amount": 0, "after": 120_000_000}, "(?i)check constraint"),
        ({"kind": "payment", "amount": 1_000_000, "after": 121_000_000}, "credit_names_its"),
        ({"kind": "adjustment", "amount": 1_000_000, "after": 121_000_000}, "credit_names_its"),
        ({"reference": "metered-1"}, "reference"),
        ({"account": 999, "after": -1_000_000}, "(?i)foreign key"),
    ],
)
def test_a_row_that_breaks_the_books_is_refused_l2(books, told, words):
    """L2, L12: the chain, the credit without its payment, and the reference used before."""
    with pytest.raises(DatabaseError, match=words):
        row(books, **told)
    assert books.balance == "120.00"


def test_usage_never_credits_l2(books):
    attempt = free_attempt(books)
    with pytest.raises(IntegrityError, match="usage_is_a_debit"):
        row(books, amount=1_000_000, after=121_000_000, attempt=attempt)


def test_a_payment_is_credited_once_l2(books):
    """L2: the attempt of a credit is unique."""
    paid = next(a.id for a in books.attempts if a.state == "paid")
    with pytest.raises(IntegrityError, match="attempt_id"):
        row(books, kind="payment", amount=30_000_000, after=150_000_000, attempt=paid)
    assert books.balance == "120.00"


def test_a_credit_of_no_attempt_of_ours_is_refused_l2(books):
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        row(books, kind="payment", amount=30_000_000, after=150_000_000, attempt=999)


def test_a_row_without_its_balance_stays_visible_l2(books):
    """L2: a balance left behind is refused the moment anyone touches it."""
    row(books)
    with pytest.raises(DatabaseError, match="the end of its ledger"):
        books.session.execute(text("UPDATE account SET balance = balance"))


def test_an_account_opens_at_zero_l2(books):
    books.session.rollback()
    books.session.add(Account(name="Gift", balance=1, created_at=books.clock.now()))
    with pytest.raises(DatabaseError, match="opens at zero"):
        books.session.flush()


def test_accounts_have_chains_of_their_own_l2(books):
    """L2: another account's rows are no part of this one's balance."""
    other = books.account(balance="7.00")
    books.use("1.00")
    assert books.balance == "119.00"
    assert sum_of(books.session, other.account_id) == 7_000_000


MOVES = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(1, 5_000_000_000)), min_size=1, max_size=5),
    max_size=6,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_the_balance_is_the_ledgers_sum_at_every_moment_l2(world, moves):
    """L2, L1: any sequence of debits in batches, and of credits."""
    expected = world.session.get(Account, world.account_id).balance
    for batch in moves:
        account = Account.locked(world.session, world.account_id)
        debits = [amount for credit, amount in batch if not credit]
        entries = [
            Entry(
                kind=EntryKind.USAGE,
                amount=-amount,
                occurred_at=world.clock.now(),
            )
            for amount in debits
        ]
        ledger.append(world.session, account, entries, world.clock.now())
        for credit, amount in batch:
            if credit:
                adjustments.post(world.session, account, amount, "Test", world.clock.now())
        expected += sum(amount if credit else -amount for credit, amount in batch)
        assert account.balance == expected == sum_of(world.session, world.account_id)
        world.session.commit()
    rows = world.session.query(LedgerEntry).filter_by(account_id=world.account_id)
    running = 0
    for entry in rows.order_by(LedgerEntry.id):
        running += entry.amount
        assert entry.balance_after == running
