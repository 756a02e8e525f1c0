"""Usage that arrives at once shares a commit, and nothing else (L12)."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.conftest import on_postgres
from tests.factories import START, VISA, micros
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import FARTHEST
from webapp.domain.shared import money
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.usage.record import Usage, Verdict
from webapp.extensions import db
from webapp.reads.ledger.ledger_check import check_ledger

POSTED, DUPLICATE, CONFLICT = Verdict.POSTED, Verdict.DUPLICATE, Verdict.CONFLICT


@contextmanager
def locked(world, account_id):
    """Whoever comes meanwhile has to wait."""
    Account.locked(world.session, account_id)
    yield
    world.session.rollback()


def arrive(world, *sent):
    """Each (account, amount, reference) by itself, while another writes; receipts, or refusals."""
    world.session.rollback()

    def post(account_id, amount, reference):
        usages = [Usage(amount, reference, START)]
        with world.app.app_context():
            try:
                around = (usages, START, world.policy)
                return world.services.usage_batcher.post_usage(db.session(), account_id, *around)
            except (Refusal, OperationalError) as told:
                return told

    with ThreadPoolExecutor(len(sent)) as pool:
        with locked(world, world.account_id):
            done = [pool.submit(post, *one) for one in sent]
            time.sleep(0.5)
        return [it.result(timeout=60) for it in done]


@pytest.fixture
def commits(app):
    found = []
    event.listen(db.engine, "commit", found.append)
    return found


def test_eight_records_share_commits_l12(world, commits):
    """L12: each is answered for its own, and the balance they are told is one that there was."""
    commits.clear()
    told = arrive(world, *[(world.account_id, micros("1.00"), f"call-{n}") for n in range(8)])
    assert {it.verdicts for it in told} == {(POSTED,)}
    assert len(commits) < 8
    assert len({it.balance for it in told}) == len(commits)
    assert world.balance == "92.00"


def test_one_reference_from_many_sides_is_posted_once_l12(world):
    same = [(world.account_id, micros("1.00"), "call-1")] * 5
    other = [(world.account_id, micros("2.00"), "call-1")]
    told = [it.verdicts for it in arrive(world, *same, *other)]
    if world.balance == "99.00":
        assert sorted(told) == [(CONFLICT,), *[(DUPLICATE,)] * 4, (POSTED,)]
    else:
        assert sorted(told) == [*[(CONFLICT,)] * 5, (POSTED,)]


def test_who_is_refused_takes_nobody_along_l12(world):
    """L12: one that can hold no more, and one that is not there, among others."""
    full, missing = world.account().account_id, 10**6
    world.policy = replace(world.policy, usage_max=FARTHEST * 4)
    well = [(world.account_id, micros("1.00"), f"call-{n}") for n in range(4)]
    told = arrive(world, *well, (full, FARTHEST * 2, "much"), (missing, micros("1.00"), "call-1"))
    assert {it.verdicts for it in told[:4]} == {(POSTED,)}
    assert told[4].code == "balance_out_of_range"
    assert isinstance(told[5], NotFound)
    assert world.balance == "96.00"
    assert world.session.get_one(Account, full).balance == micros("100.00")
    assert check_ledger(world.session, None).agrees


def test_who_waits_together_hears_of_an_outage_once(world, monkeypatch):
    """Else each would wait as long again for a database that is held up."""
    busy, asked = sqlite3.OperationalError("database is locked"), []
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY

    def held_up(*told):
        asked.append(told)
        raise OperationalError("BEGIN IMMEDIATE", {}, busy)

    monkeypatch.setattr("webapp.actions.usage.group_commit.post_usage_of_many", held_up)
    told = arrive(world, *[(world.account_id, micros("1.00"), f"call-{n}") for n in range(8)])
    outages = [it for it in told if isinstance(it, OperationalError)]
    assert len(outages) > len(asked) > 0
    posted = [it for it in told if it not in outages]
    assert world.balance == money.decimal_text(micros("100.00") - len(posted) * micros("1.00"))


def test_each_account_that_falls_below_is_looked_at_t4(world):
    """T4, T8: together or not, and one top-up for an account."""
    world.cards(VISA)
    world.refill()
    told = arrive(world, *[(world.account_id, micros("20.00"), f"call-{n}") for n in range(4)])
    assert any(it.opened_top_up for it in told)
    world.work()
    assert len(world.charges) == 1


@on_postgres
def test_an_account_that_is_locked_holds_up_no_other(world):
    other = world.account().account_id
    world.session.rollback()
    usages = [Usage(micros("1.00"), "call-1", START)]

    def post(account_id):
        with world.app.app_context():
            around = (usages, START, world.policy)
            return world.services.usage_batcher.post_usage(
                db.session(), account_id, *around
            ).verdicts

    with ThreadPoolExecutor(2) as pool:
        with locked(world, world.account_id):
            waits = pool.submit(post, world.account_id)
            assert pool.submit(post, other).result(timeout=5) == (POSTED,)
            assert not waits.done()
        assert waits.result(timeout=60) == (POSTED,)
