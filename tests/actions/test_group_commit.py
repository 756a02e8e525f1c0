"""Concurrent usage requests share a commit but not their outcome (L12)."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from tests.conftest import on_postgres
from tests.factories import START, VISA, micros, with_bounds
from webapp.actions.group_commit import GroupCommit, _Request
from webapp.actions.usage.post_requests import post_requests
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.ledger import FARTHEST
from webapp.domain.shared import money
from webapp.domain.shared.context import Actor
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.usage.record import Usage, Verdict
from webapp.extensions import db, make_context
from webapp.reads.ledger.ledger_check import check_ledger

POSTED, DUPLICATE, CONFLICT = Verdict.POSTED, Verdict.DUPLICATE, Verdict.CONFLICT


@contextmanager
def locked(world, account_id):
    """Hold the account's lock, so that concurrent requests queue."""
    Account.locked(world.session, account_id)
    yield
    world.session.rollback()


def arrive(world, *records):
    """Post (account, amount, reference) records concurrently; return receipts or errors."""
    world.session.rollback()

    def post(account_id, amount, reference):
        usages = [Usage(amount, reference, START)]
        with world.app.app_context():
            try:
                ctx = replace(make_context(), now=START, policy=world.policy)
                receipts = world.services.usage_batcher.submit(
                    ctx, [account_id], {account_id: usages}
                )
                return receipts[account_id]
            except (Refusal, OperationalError) as error:
                return error

    with ThreadPoolExecutor(len(records)) as pool:
        with locked(world, world.account_id):
            done = [pool.submit(post, *record) for record in records]
            time.sleep(0.5)
        return [future.result(timeout=60) for future in done]


@pytest.fixture
def commits(app):
    found = []
    event.listen(db.engine, "commit", found.append)
    return found


def test_eight_records_share_commits_l12(world, commits):
    """L12: each has its own verdict, and each reported balance existed after a commit."""
    commits.clear()
    receipts = arrive(world, *[(world.account_id, micros("1.00"), f"call-{n}") for n in range(8)])
    assert {receipt.verdicts for receipt in receipts} == {(POSTED,)}
    assert len(commits) < 8
    assert len({receipt.balance for receipt in receipts}) == len(commits)
    assert world.balance == "92.00"


def test_one_reference_from_many_requests_is_posted_once_l12(world):
    same = [(world.account_id, micros("1.00"), "call-1")] * 5
    other = [(world.account_id, micros("2.00"), "call-1")]
    verdicts = [receipt.verdicts for receipt in arrive(world, *same, *other)]
    if world.balance == "99.00":
        assert sorted(verdicts) == [(CONFLICT,), *[(DUPLICATE,)] * 4, (POSTED,)]
    else:
        assert sorted(verdicts) == [*[(CONFLICT,)] * 5, (POSTED,)]


def test_a_refused_request_does_not_affect_the_others_l12(world):
    """L12: one account would exceed the balance range, and one does not exist."""
    full, missing = world.account().account_id, 10**6
    world.policy = with_bounds(world.policy, usage_max=FARTHEST * 4)
    valid = [(world.account_id, micros("1.00"), f"call-{n}") for n in range(4)]
    results = arrive(
        world, *valid, (full, FARTHEST * 2, "much"), (missing, micros("1.00"), "call-1")
    )
    assert {receipt.verdicts for receipt in results[:4]} == {(POSTED,)}
    assert results[4].code == "balance_out_of_range"
    assert isinstance(results[5], NotFound)
    assert world.balance == "96.00"
    assert world.session.get_one(Account, full).balance == micros("100.00")
    assert check_ledger(world.session, None).agrees


def test_queued_requests_share_one_outage(world, monkeypatch):
    """Otherwise each request would wait for the locked database in turn."""
    busy, calls = sqlite3.OperationalError("database is locked"), []
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY

    def fail(*args):
        calls.append(args)
        raise OperationalError("BEGIN IMMEDIATE", {}, busy)

    monkeypatch.setattr("webapp.actions.usage.post_requests.post_usage_of_many", fail)
    results = arrive(world, *[(world.account_id, micros("1.00"), f"call-{n}") for n in range(8)])
    outages = [result for result in results if isinstance(result, OperationalError)]
    assert len(outages) > len(calls) > 0
    posted = [result for result in results if result not in outages]
    assert world.balance == money.decimal_text(micros("100.00") - len(posted) * micros("1.00"))


def test_each_account_that_falls_below_the_threshold_is_checked_t4(world):
    """T4, T8: the check opens one top-up per account."""
    world.cards(VISA)
    world.refill()
    receipts = arrive(world, *[(world.account_id, micros("20.00"), f"call-{n}") for n in range(4)])
    assert any(receipt.opened_top_up for receipt in receipts)
    world.work()
    assert len(world.charges) == 1


@on_postgres
def test_a_locked_account_does_not_block_others(world):
    other = world.account().account_id
    world.session.rollback()
    usages = [Usage(micros("1.00"), "call-1", START)]

    def post(account_id):
        with world.app.app_context():
            ctx = replace(make_context(), now=START, policy=world.policy)
            receipts = world.services.usage_batcher.submit(ctx, [account_id], {account_id: usages})
            return receipts[account_id].verdicts

    with ThreadPoolExecutor(2) as pool:
        with locked(world, world.account_id):
            waiting = pool.submit(post, world.account_id)
            assert pool.submit(post, other).result(timeout=5) == (POSTED,)
            assert not waiting.done()
        assert waiting.result(timeout=60) == (POSTED,)


def test_a_shared_commit_names_no_other_accounts_key_p1(world):
    """P1: events of a group name nobody, because its requests belong to several accounts."""
    other = world.account().account_id
    too_large = Usage(world.policy.bounds("USD").usage_max + 1, "wrong unit", START)
    world.session.rollback()
    leader = world.ctx.by(Actor(name="API key of Harbour Voice", address="192.0.2.1"))
    group = GroupCommit(post_requests)
    sent = {other: [too_large]}
    group._run_all(leader, [_Request(sent, START)])
    events = world.session.scalars(select(EventRow).where(EventRow.account_id == other)).all()
    recorded = [row for row in events if row.timeline == "usage_too_large"]
    assert [(row.actor_name, row.address) for row in recorded] == [("Ballast", "")]


def test_repeats_and_new_holds_share_commits_v5(app, world):
    """V5: each request is answered, also one that repeats another account's thread's work, or that
    names an unknown account.
    """
    key = world.provider_key().key
    accounts = [world.account().account_id for _ in range(4)]
    world.session.rollback()

    def ask(account_id, reference):
        sent = {"account": account_id, "reference": reference, "amount": "1.00"}
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().post("/api/v1/holds", json=sent, headers=headers)

    def repeat(account_id):
        return [ask(account_id, "running").status_code for _ in range(25)]

    def start(account_id):
        return [ask(account_id, f"new-{number}").status_code for number in range(25)]

    assert [ask(account_id, "running").status_code for account_id in accounts] == [201] * 4
    with ThreadPoolExecutor(9) as pool:
        repeats, new = pool.map(repeat, accounts), pool.map(start, accounts)
        unknown = pool.submit(start, 999_999)
        assert set(unknown.result()) == {404}
        assert [set(statuses) for statuses in repeats] == [{200}] * 4
        assert [set(statuses) for statuses in new] == [{201}] * 4
