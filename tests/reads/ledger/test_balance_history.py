"""The balance history is exact for few entries and thinned for many."""

from datetime import timedelta

import pytest

from webapp.domain.accounts.account import Account
from webapp.reads.ledger import balance_history
from webapp.reads.ledger.balance_history import evenly, read_history

SPAN = timedelta(days=10)
POINTS = 40


def read(world):
    world.session.rollback()
    account = world.session.get_one(Account, world.account_id)
    now = world.clock.now()
    start = now - SPAN
    return read_history(world.ctx, account, start, evenly(start, now, POINTS))


@pytest.fixture
def busy(world):
    """Ten days of usage with a few refills."""
    world.cards("4242424242424242")
    world.refill()
    for _ in range(60):
        world.use("7.35")
        world.work()
        world.clock.advance(hours=4)
    return world


def test_a_thinned_history_keeps_extremes_refills_and_the_end(busy, monkeypatch):
    exact = read(busy)
    monkeypatch.setattr(balance_history, "FEW", 30)
    monkeypatch.setattr(balance_history, "_ENTRIES", balance_history._ENTRIES.limit(31))
    thinned = read(busy)
    assert len(thinned.movements) < len(exact.movements) + POINTS
    assert (min(thinned.extremes), max(thinned.extremes)) == (
        min(exact.extremes),
        max(exact.extremes),
    )
    assert [it.at for it in thinned.refills] == [it.at for it in exact.refills]
    assert thinned.opening == exact.opening
    assert thinned.movements[-1].balance == exact.movements[-1].balance


def test_a_thinned_history_agrees_with_the_ledger_at_every_sample(busy, monkeypatch):
    exact = read(busy)
    monkeypatch.setattr(balance_history, "FEW", 30)
    monkeypatch.setattr(balance_history, "_ENTRIES", balance_history._ENTRIES.limit(31))
    thinned = read(busy)
    instants = [it.at for it in thinned.movements if not it.credit]
    assert len(instants) == POINTS
    assert thinned.at(instants) == exact.at(instants)


def test_a_history_before_the_first_entry_is_empty(world):
    assert read(world).opening is None
    world.clock.advance(days=11)
    quiet = read(world)
    assert (quiet.opening, quiet.movements) == (100_000_000, ())
