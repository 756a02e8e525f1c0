"""Monthly statements: totals and CSV file agree with the sum of all entries (L2, L13)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from tests.factories import VISA
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.shared.money import decimal_text
from webapp.reads.ledger import statement
from webapp.reads.ledger.months import Month
from webapp.reads.ledger.statement import months_of, read_statement, read_totals, statement_lines

ZONE = "America/New_York"


@pytest.fixture
def seasons(world):
    """Four months of New York time, with entries on both sides of each midnight, and one empty
    month.
    """
    world.session.get(Account, world.account_id).time_zone = ZONE
    world.session.commit()
    world.cards(VISA)
    world.refill("20.00", "100.00")
    for month, days in ((11, (23, 30)), (12, (1, 31)), (2, (1, 28))):
        for day in days:
            for hour in (0, 4, 5, 6, 23):
                year = 2026 if month > 10 else 2027
                # 05:00 UTC is midnight there in winter; these entries are at exactly midnight.
                minute = 0 if hour == 5 else 30
                world.clock.at = datetime(year, month, day, hour, minute, tzinfo=UTC)
                world.use("7.123456")
                world.work()
    world.clock.at = datetime(2027, 3, 15, 12, 0, tzinfo=UTC)
    return world


def entries(world):
    world.session.rollback()
    mine = LedgerEntry.account_id == world.account_id
    return list(world.session.scalars(select(LedgerEntry).where(mine).order_by(LedgerEntry.id)))


def account_of(world):
    return world.session.get(Account, world.account_id)


def test_the_totals_of_each_month_equal_the_ledger_l2(seasons):
    """L2, P4: opening balance, credits and debits give the closing balance, the next month's
    opening.
    """
    account, every = account_of(seasons), entries(seasons)
    months = months_of(seasons.ctx, account)
    assert [m.key for m in months] == ["2027-03", "2027-02", "2027-01", "2026-12", "2026-11"]
    balance = 0
    for month in reversed(months):
        mine = [e.amount for e in every if Month.of(e.posted_at, ZONE) == month]
        totals = read_totals(seasons.ctx, account, month)
        assert totals.opening == balance
        assert totals.added == sum(amount for amount in mine if amount > 0)
        assert totals.used == -sum(amount for amount in mine if amount < 0)
        balance += sum(mine)
        assert totals.closing == balance
    assert balance == account.balance


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_pages_of_a_month_contain_exactly_its_lines(seasons, monkeypatch, size):
    monkeypatch.setattr(statement, "PAGE", size)
    for month in (Month(2026, 11), Month(2026, 12), Month(2027, 1), None):
        before, seen = None, []
        while True:
            page = read_statement(seasons.ctx, seasons.account_id, month, before=before)
            seen += [line.id for day in page.days for line in day.lines]
            if page.older is None:
                break
            before = page.older
        expected = [
            e.id for e in reversed(entries(seasons)) if month in (None, Month.of(e.posted_at, ZONE))
        ]
        assert seen == expected


@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_the_file_equals_the_ledger_l13(seasons, monkeypatch, batch):
    """L13: oldest first, exact amounts, and each balance is the previous one plus the amount."""
    monkeypatch.setattr(statement, "BATCH", batch)
    lines = list(statement_lines(seasons.ctx, seasons.account_id, None))
    assert [(line[6], line[7]) for line in lines] == [
        (decimal_text(e.amount), decimal_text(e.balance_after)) for e in entries(seasons)
    ]
    some = list(statement_lines(seasons.ctx, seasons.account_id, Month(2026, 12)))
    mine = [e for e in entries(seasons) if Month.of(e.posted_at, ZONE) == Month(2026, 12)]
    assert [line[7] for line in some] == [decimal_text(e.balance_after) for e in mine]
    assert {line[5] for line in lines if float(line[6]) > 0} >= {"P-000001", "P-000002"}


def test_months_are_contiguous():
    months = [Month(2026, number) for number in range(1, 13)] + [Month(2027, 1)]
    for one, other in pairwise(months):
        assert (one.next, other.previous) == (other, one)
        assert one.bounds(ZONE)[1] == other.bounds(ZONE)[0]
    assert Month.parse("2026-11") == Month(2026, 11)
    assert [Month.parse(it) for it in ("", "2026-13", "2026-1", "1926-11", "2026-11 ")] == [
        None
    ] * 5
    assert Month.of(datetime(2026, 12, 1, 4, 59, tzinfo=UTC), ZONE) == Month(2026, 11)
    assert Month(2026, 11).bounds(ZONE)[1] - Month(2026, 11).bounds(ZONE)[0] > timedelta(days=29)
