"""L2: the database rejects every statement that would break the ledger."""

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
from webapp.domain.shared.errors import Refusal

ROW = """INSERT INTO ledger_entry
    (account_id, kind, amount, balance_after, reference, description, attempt_id,
     occurred_at, posted_at)
    VALUES (:account, :kind, :amount, :after, :reference, '', :attempt,
     '2026-11-22 10:00:00', '2026-11-22 10:00:00')"""


@pytest.fixture
def books(world):
    """An account with an opening balance of 100, usage of 10 and a payment of 30."""
    (visa,) = world.cards(VISA)
    world.use("10.00", reference="metered-1")
    world.pay(visa, "30.00")
    assert world.balance == "120.00"
    return world


def insert_entry(books, **values):
    books.session.rollback()
    standard = {
        "account": books.account_id,
        "kind": "usage",
        "amount": -1_000_000,
        "after": 119_000_000,
        "reference": None,
        "attempt": None,
    }
    books.session.execute(text(ROW), {**standard, **values})


def free_attempt(books):
    """Return an attempt that credited nothing."""
    books.next_answer("decline", decline_code="do_not_honor")
    books.pay(books.method("4242"), "30.00")
    return books.attempts[-1].id


def test_a_valid_entry_is_accepted_l2(books):
    """L2: this shows that the refusals below have the intended cause."""
    insert_entry(books)
    books.session.execute(
        text("UPDATE account SET balance = 119000000 WHERE id = :id"), {"id": books.account_id}
    )
    books.session.rollback()


@pytest.mark.parametrize(
    ("statement", "message"),
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
def test_existing_rows_cannot_be_changed_l2(books, statement, message):
    """L2: neither entries nor balances, even from a database prompt."""
    books.session.rollback()
    with pytest.raises(DatabaseError, match=message):
        books.session.execute(text(statement))
    assert books.balance == "120.00"


@pytest.mark.parametrize(
    ("values", "message"),
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
def test_an_inconsistent_entry_is_refused_l2(books, values, message):
    """L2, L12: a broken chain, a credit without a payment, and a repeated reference."""
    with pytest.raises(DatabaseError, match=message):
        insert_entry(books, **values)
    assert books.balance == "120.00"


def test_usage_never_credits_l2(books):
    attempt = free_attempt(books)
    with pytest.raises(IntegrityError, match="usage_is_a_debit"):
        insert_entry(books, amount=1_000_000, after=121_000_000, attempt=attempt)


def test_a_payment_is_credited_once_l2(books):
    """L2: the attempt of a credit is unique."""
    paid = next(a.id for a in books.attempts if a.state == "paid")
    with pytest.raises(IntegrityError, match="attempt_id"):
        insert_entry(books, kind="payment", amount=30_000_000, after=150_000_000, attempt=paid)
    assert books.balance == "120.00"


def test_a_credit_of_an_unknown_attempt_is_refused_l2(books):
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        insert_entry(books, kind="payment", amount=30_000_000, after=150_000_000, attempt=999)


def test_a_balance_that_was_not_updated_is_detected_l2(books):
    """L2: any update of the account is refused until its balance matches the ledger."""
    insert_entry(books)
    with pytest.raises(DatabaseError, match="the end of its ledger"):
        books.session.execute(text("UPDATE account SET balance = balance"))


def test_an_account_opens_at_zero_l2(books):
    books.session.rollback()
    books.session.add(Account(name="Gift", balance=1, created_at=books.clock.now()))
    with pytest.raises(DatabaseError, match="opens at zero"):
        books.session.flush()


def test_each_account_has_its_own_chain_l2(books):
    """L2: another account's entries do not affect its balance."""
    other = books.account(balance="7.00")
    books.use("1.00")
    assert books.balance == "119.00"
    assert sum_of(books.session, other.account_id) == 7_000_000


def test_several_accounts_are_posted_to_at_once_l2(books):
    """L2: each entry has its own account's balance; an account without entries stays as it was."""
    other, idle = books.account(balance="7.00").account_id, books.account(balance="8.00").account_id
    earlier = books.clock.now()
    books.clock.advance(minutes=5)
    usage = Entry(EntryKind.USAGE, -2_000_000, earlier, "Call", "call-a")
    ids = [books.account_id, other, idle]
    before = [Account.locked(books.session, ids[0]).balance, 7_000_000, 8_000_000]
    sent = [[usage, usage._replace(reference="call-b")], [usage], []]
    after = ledger.append_to_many(books.ctx, zip(ids, before, sent, strict=True))
    books.session.commit()
    assert after == [116_000_000, 5_000_000, 8_000_000]
    assert [books.session.get(Account, it).balance for it in ids] == after
    mine = books.session.query(LedgerEntry).filter_by(description="Call").order_by(LedgerEntry.id)
    assert [(it.account_id, it.balance_after, it.reference) for it in mine] == [
        (ids[0], 118_000_000, "call-a"),
        (ids[0], 116_000_000, "call-b"),
        (other, 5_000_000, "call-a"),
    ]
    for it in mine:
        assert (it.kind, it.amount) == ("usage", -2_000_000)
        assert (it.occurred_at, it.posted_at) == (earlier, books.clock.now())


def test_nothing_posted_changes_nothing_l2(books):
    account = Account.locked(books.session, books.account_id)
    assert ledger.append_to_many(books.ctx, [(account.id, account.balance, [])]) == [120_000_000]


def test_a_balance_has_a_bound_l2(books):
    """L2: at the bound it can still be stored and summed."""
    account = Account.locked(books.session, books.account_id)
    now = books.clock.now()
    rest = Entry(EntryKind.USAGE, -(ledger.FARTHEST + account.balance), now, "All")
    ledger.append(books.ctx, account, [rest])
    assert account.balance == -ledger.FARTHEST
    with pytest.raises(Refusal) as refused:
        ledger.append(books.ctx, account, [Entry(EntryKind.USAGE, -1, now)])
    assert refused.value.sentence == "That is more than a balance can hold."
    assert refused.value.code == "balance_out_of_range"


MOVES = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(1, 5_000_000_000)), min_size=1, max_size=5),
    max_size=6,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_the_balance_always_equals_the_ledgers_sum_l2(world, moves):
    """L2, L1: for any sequence of debits in batches and of credits."""
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
        ledger.append(world.ctx, account, entries)
        for credit, amount in batch:
            if credit:
                adjustments.post(world.ctx, account, amount, "Test")
        expected += sum(amount if credit else -amount for credit, amount in batch)
        assert account.balance == expected == sum_of(world.session, world.account_id)
        world.session.commit()
    rows = world.session.query(LedgerEntry).filter_by(account_id=world.account_id)
    running = 0
    for entry in rows.order_by(LedgerEntry.id):
        running += entry.amount
        assert entry.balance_after == running
