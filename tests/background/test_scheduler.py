"""The scheduler: every job on an empty and on a full database, alone and concurrently."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.background import scheduler as jobs
from webapp.extensions import db


@pytest.fixture
def full(world):
    """An account with work for every job."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    spare = world.card("6011111111111117")
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(mastercard, "30.00")  # suspends the method
    world.clock.advance(hours=48)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "40.00")  # leaves an unknown outcome
    world.clock.advance(minutes=1)
    world.remove(spare)
    world.use("100.00")
    return world


@pytest.mark.parametrize("job", jobs.JOBS, ids=lambda job: job.name)
def test_each_job_on_an_empty_database_does_nothing(app, job):
    """F1, L10, T4."""
    assert jobs.run_job(app, job) == 0


def test_one_round_does_all_due_work(full):
    """F6, L10, M10, T4: the jobs' order allows it."""
    done = jobs.run_due(full.app)
    assert done["lift suspensions"] == 1
    assert done["reconcile"] == 1
    assert done["revoke methods"] == 1
    assert done["send emails"] >= 2
    assert full.balance in ("40.00", "140.00")
    for _ in range(2):
        jobs.run_due(full.app)
    assert full.balance == "140.00"
    assert full.charges == [("4242", "40.00"), ("4242", "100.00")]
    assert set(jobs.run_due(full.app).values()) == {0}, "and then there is nothing left to do"


def test_concurrent_rounds_do_the_work_once(full):
    """T8, L3, F11: a second scheduler does no harm."""
    full.session.rollback()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            rounds = [pool.submit(jobs.run_due, full.app) for _ in range(4)]
            for one in rounds:
                one.result(timeout=60)
    assert full.balance == "140.00"
    assert full.charges == [("4242", "40.00"), ("4242", "100.00")]
    assert full.mails.count("receipt") == 2
    assert full.timeline.count("suspension_ended") == 1
    assert all(notice.tries == 1 for notice in full.notices)


def test_the_scheduler_starts_and_stops(app, world, monkeypatch):
    """T4: it runs its jobs until it is shut down."""
    ran = []
    quick = jobs.Job("quick", 1, lambda ctx, services: ran.append(ctx.session.bind) or 0, "runs")
    monkeypatch.setattr(jobs, "JOBS", (quick,))
    scheduler = jobs.schedule(app)
    try:
        assert [job.id for job in scheduler.get_jobs()] == ["quick"]
        deadline = time.monotonic() + 10
        while not ran and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        scheduler.shutdown()
    assert ran
    assert not scheduler.running
    count = len(ran)
    time.sleep(1.2)
    assert len(ran) == count


def test_a_job_that_runs_at_start_does_not_wait_for_its_interval(app, world, monkeypatch):
    """L17: missed events are caught up on as soon as the host is back."""
    ran = []
    hourly = jobs.Job("hourly", 3600, lambda ctx, services: ran.append(1) or 0, "runs")
    at_start = jobs.Job("at start", 3600, lambda *_: ran.append(2) or 0, "runs", at_start=True)
    monkeypatch.setattr(jobs, "JOBS", (hourly, at_start))
    scheduler = jobs.schedule(app)
    try:
        deadline = time.monotonic() + 10
        while not ran and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        scheduler.shutdown()
    assert ran == [2]


def test_the_timetable_is_complete(app):
    """F1, L10, T4: names are unique and intervals short enough."""
    seconds = {job.name: job.seconds for job in jobs.JOBS}
    assert len(seconds) == len(jobs.JOBS)
    assert seconds["reconcile"] <= 10, "L10: the first query is due after ten seconds"
    assert seconds["lift suspensions"] <= 60
    assert seconds["sweep"] <= 60
    assert seconds["catch up"] == 3600, "L17"
    assert [job.name for job in jobs.JOBS if job.at_start] == ["catch up"]
    scheduler = jobs.schedule(app)
    try:
        assert {job.id for job in scheduler.get_jobs()} == set(seconds)
        assert all(job.max_instances == 1 for job in scheduler.get_jobs())
    finally:
        scheduler.shutdown(wait=False)


def test_a_failed_job_leaves_no_transaction_open(app, world):
    """L3: the next job and the next request find the database free."""

    def fail(ctx, services):
        ctx.session.connection(execution_options={"writes": True})
        ctx.session.execute(db.text("UPDATE account SET name = 'half'"))
        raise RuntimeError("failed")

    world.session.rollback()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError):
        pool.submit(jobs.run_job, app, jobs.Job("bad", 1, fail, "")).result()
    world.use("1.00")
    assert world.balance == "99.00"
    assert world.session.execute(db.text("SELECT name FROM account")).scalar() == "Harbour Voice"
