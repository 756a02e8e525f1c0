"""How long the balance lasts: checked against the ledger, with holds and without enough data."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import VISA
from tests.web.conftest import words
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.reads.ledger import balance_history
from webapp.reads.ledger.balance_chart import SPANS, Span, read_chart
from webapp.reads.ledger.balance_history import read_history
from webapp.reads.top_ups.runway import read_burn_rate, read_forecast, sentence_case


@pytest.fixture
def steady(world):
    """Nine days of 4.80 a day, on 500.00."""
    world.cards(VISA)
    world.pay(world.method("4242"), "400.00")
    for step in range(9 * 6):
        world.use(f"0.8{step % 3}")
        world.clock.advance(hours=4)
    world.refill("400.00", "100.00")
    return world


def pace_of(world, days=30):
    world.session.rollback()
    account = world.session.get(Account, world.account_id)
    now = world.clock.now()
    span = Span.of(days, account, now)
    history = read_history(world.ctx, account, span.start, span.samples)
    return read_burn_rate(world.ctx.at(now), account, history)


def runway_text(world, days=30):
    world.session.rollback()
    account = world.session.get(Account, world.account_id)
    choice = LowBalanceSettings.of(world.session, account.id).chosen()
    return read_chart(world.ctx, account, choice, days)[0].runway


@pytest.mark.parametrize("thinned", [False, True])
def test_each_of_the_seven_days_equals_the_ledger_l2(steady, monkeypatch, thinned):
    """L2: the debits of each 24 hours, whatever was credited."""
    steady.clock.advance(hours=1)
    steady.pay(steady.method("4242"), "60.00")
    steady.clock.advance(hours=1)
    if thinned:
        monkeypatch.setattr(balance_history, "FEW", 20)
    now = steady.clock.now()
    entries = list(
        steady.session.scalars(
            select(LedgerEntry).where(LedgerEntry.account_id == steady.account_id)
        )
    )
    expected = [
        -sum(
            e.amount
            for e in entries
            if e.amount < 0
            and now - timedelta(days=back + 1) < e.posted_at <= now - timedelta(days=back)
        )
        for back in range(6, -1, -1)
    ]
    for days in SPANS:
        assert list(pace_of(steady, days).days) == expected
    assert sum(expected) > 0


def test_the_runway_uses_the_usage_of_the_last_week(steady):
    assert runway_text(steady).startswith("The balance reaches the threshold around ")
    assert "at this week’s pace: in about 12 days" in runway_text(steady)


def test_all_screens_forecast_the_same_day_t13(client, steady):
    """T13, T12: the main screen and the statement agree, with active calls counted."""
    for held in ("", "40.00", "30.00"):
        if held:
            steady.hold(held, f"call-{held}")
        account = steady.session.get_one(Account, steady.account_id)
        choice = LowBalanceSettings.of(steady.session, account.id).chosen()
        pace, now = pace_of(steady), steady.clock.now()
        forecast = read_forecast(steady.ctx.at(now), account, choice, pace)
        assert forecast is not None
        main = words(client.get("/billing/payment-methods"))
        assert sentence_case(forecast.when) in main
        assert forecast.when in words(client.get("/billing/statement"))


def test_holds_count_as_used_t12(steady):
    """T12: the runway is shorter by what is held."""
    steady.hold("40.00", "call-a")
    assert "about 3 days" in runway_text(steady)
    assert runway_text(steady).endswith("Active calls are counted as used: $40.00.")
    steady.hold("30.00", "call-b")
    assert runway_text(steady) == "The balance is at or below the threshold, active calls counted."


def test_the_runway_says_when_there_is_not_enough_data(world):
    assert runway_text(world) == "No usage yet. A forecast appears after 7 days of usage."
    world.use("1.00")
    world.clock.advance(days=6, hours=23)
    assert runway_text(world).startswith("Usage began 6 days ago. A forecast appears")
    assert pace_of(world) is None
    world.clock.advance(hours=1)
    world.use("1.00")
    assert runway_text(world).startswith("At this week’s pace the balance lasts more than 60")
    world.clock.advance(days=8)
    assert runway_text(world) == "No usage in the last 7 days."


def test_without_a_refill_the_runway_ends_at_zero(steady):
    steady.apply(refill_on=False)
    steady.use("430.00")
    assert "reaches zero around" in runway_text(steady)
    steady.use("100.00")
    assert runway_text(steady) == "The balance is at or below zero."
