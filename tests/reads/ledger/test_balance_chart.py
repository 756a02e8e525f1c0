"""The balance chart and its table agree with the ledger."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import VISA
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.reads.ledger import balance_history
from webapp.reads.ledger.balance_chart import SPANS, Span, read_chart


@pytest.fixture
def history(world):
    """Five months in Dublin, including the start of summer time, with refills and two failures."""
    world.session.get(Account, world.account_id).time_zone = "Europe/Dublin"
    world.session.commit()
    world.cards(VISA)
    world.refill(notification_on=True, notification_threshold="75.00")
    for step in range(200):
        world.use("3.456789")
        if step in (40, 160):
            world.next_answer("decline", decline_code="insufficient_funds")
            world.pay(world.method("4242"), "30.00")
        world.run() if step % 4 == 0 else world.run("top up")
        world.clock.advance(hours=18)
    return world


def entries(world):
    world.session.rollback()
    mine = LedgerEntry.account_id == world.account_id
    return list(world.session.scalars(select(LedgerEntry).where(mine).order_by(LedgerEntry.id)))


def chart_of(world, days):
    world.session.rollback()
    account = world.session.get(Account, world.account_id)
    choice = LowBalanceSettings.of(world.session, account.id).chosen()
    return read_chart(world.ctx, account, choice, days)


def balance_at(every, instant):
    posted = [e.balance_after for e in every if e.posted_at <= instant]
    return posted[-1] if posted else 0


def shorten(monkeypatch):
    """Lower the limit above which entries are thinned."""
    monkeypatch.setattr(balance_history, "FEW", 20)
    monkeypatch.setattr(balance_history, "_ENTRIES", balance_history._ENTRIES.limit(21))


@pytest.mark.parametrize("thinned", [False, True])
def test_each_point_is_a_balance_of_the_ledger_l2(history, monkeypatch, thinned):
    """L2, L1: to the second and the displayed cent; the last point is the current balance."""
    if thinned:
        shorten(monkeypatch)
    every = entries(history)
    for days in SPANS:
        chart, _ = chart_of(history, days)
        assert len(chart.points) > 20
        span = Span.of(days, history.session.get(Account, history.account_id), history.clock.now())
        for seconds, cents in chart.points[1:]:
            since = span.start + timedelta(seconds=seconds)
            until = since + timedelta(seconds=1)
            stood = [e.balance_after for e in every if e.posted_at < since][-1:] or [0]
            reached = [e.balance_after for e in every if since <= e.posted_at < until]
            assert cents in {it // 10_000 for it in [*stood, *reached]}
        assert chart.points[-1][1] == balance_at(every, history.clock.now()) // 10_000


@pytest.mark.parametrize("thinned", [False, True])
def test_the_table_has_the_balance_at_the_end_of_each_day(history, monkeypatch, thinned):
    """P4: in the account's time zone, including a day of 23 hours."""
    if thinned:
        shorten(monkeypatch)
    for days in SPANS:
        account = history.session.get(Account, history.account_id)
        span = Span.of(days, account, history.clock.now())
        assert len(span.starts) == days
        assert len({start.date() for start in span.starts}) == days
        _, table = chart_of(history, days)
        every = entries(history)
        began = every[0].posted_at
        ends = [end for end in span.ends if end >= began]
        assert [row.balance for row in table] == [
            account.show(balance_at(every, end)) for end in reversed(ends)
        ]
        added = {}
        for e in every:
            if e.amount > 0 and e.posted_at >= span.start:
                day = e.posted_at.astimezone(span.starts[0].tzinfo).date()
                added[day] = added.get(day, 0) + e.amount
        shown = sorted(row.added for row in table if row.added)
        assert shown == sorted(map(account.show, added.values()))


def test_the_chart_marks_refills_failures_and_thresholds(history):
    """T3, N1: a ring for each refill, a cross for each failure, and both thresholds."""
    chart, table = chart_of(history, 365)
    refills = [a for a in history.attempts if a.automatic and a.state == "paid"]
    assert len(chart.refills) == len(refills) > 2
    assert [cents for _, cents in chart.refills] == [
        next(e.balance_after for e in entries(history) if e.attempt_id == a.id) // 10_000
        for a in refills
    ]
    declined = [a for a in history.attempts if a.state == "declined"]
    assert len(chart.failures) == len(declined) == sum(int(row.failures or 0) for row in table)
    assert (chart.threshold, chart.notification) == (50_00, 75_00)
    assert chart.legend_failures == "2 failed payments"
    history.apply(refill_on=False, notification_on=False)
    chart, _ = chart_of(history, 30)
    assert (chart.threshold, chart.notification) == (None, None)
