"""The worker starts due work at once, whichever process caused it (T4)."""

import time
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.conftest import on_postgres
from tests.factories import MASTERCARD, START, VISA, context, micros
from webapp.actions.usage.post_usage import post_usage
from webapp.background import notify_listener
from webapp.background import worker as worker_module
from webapp.background.worker import Worker
from webapp.database.engine import tune
from webapp.domain.usage.record import Usage
from webapp.processors.sandbox.processor import SandboxProcessor

PATIENCE = 5.0
"""Seconds. The work takes well under one second; the rest is for a busy machine."""


def wait_until(condition):
    """Wait for the condition and return the seconds it took; fail after `PATIENCE`."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < PATIENCE, "not within PATIENCE"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def start(world):
    """Return a function that starts a worker; the workers are stopped after the test."""
    workers = []

    def start_worker():
        world.session.rollback()
        worker = Worker()
        worker.start(world.app)
        workers.append(worker)
        return worker

    yield start_worker
    for worker in workers:
        worker.stop()


def rewire(world, **changes):
    services = replace(world.app.extensions["ballast"], **changes)
    world.app.extensions["ballast"] = services


def debit_by_another_process(world, amount):
    """Post usage on another connection, which has no worker to wake."""
    engine = create_engine(world.app.config["SQLALCHEMY_DATABASE_URI"])
    tune(engine)
    with Session(engine) as session:
        usage = Usage(micros(amount), "elsewhere-1", START)
        post_usage(context(session, now=START, policy=world.policy), world.account_id, [usage])
    engine.dispose()


def test_a_debit_by_another_process_is_charged_without_a_wake_up(world, start):
    """T4: the charge starts within a second of the trigger, and its email is handled."""
    world.cards(VISA)
    world.refill()
    start()
    debit_by_another_process(world, "60.00")
    wait_until(lambda: world.balance == "140.00")
    wait_until(lambda: [str(n.state) for n in world.notices] == ["kept"])
    assert world.tries == [("4242", "100.00", "paid")]


@pytest.fixture
def without_polling(monkeypatch):
    """Disable polling, so that only notifications wake the worker."""
    monkeypatch.setattr(worker_module, "POLL", 60.0)


@on_postgres
def test_a_debit_by_another_process_wakes_the_worker_t4(world, start, without_polling):
    """T4: through PostgreSQL's NOTIFY."""
    world.cards(VISA)
    world.refill()
    start()
    listeners = text("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN ballast_due'")
    wait_until(lambda: world.session.scalar(listeners))
    debit_by_another_process(world, "60.00")
    wait_until(lambda: world.balance == "140.00")


@on_postgres
def test_the_worker_listens_again_after_a_lost_connection_t4(
    world, start, without_polling, monkeypatch
):
    """T4: work that was announced meanwhile is found."""
    monkeypatch.setattr(notify_listener, "RECONNECT_AFTER", 0.2)
    world.cards(VISA)
    world.refill()
    start()
    terminate = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN ballast_due'"
    )
    wait_until(lambda: world.session.scalar(terminate))
    debit_by_another_process(world, "60.00")
    wait_until(lambda: world.balance == "140.00")


def test_the_chain_continues_at_once(world, start):
    """T7, T4: the next method does not wait for the scheduler."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    worker = start()
    world.use("60.00")
    worker.wake()
    wait_until(lambda: world.balance == "140.00")
    assert world.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]


def test_two_workers_charge_once(world, start):
    """T8: two processes on one database."""
    world.cards(VISA)
    world.refill()
    workers = [start(), start()]
    world.use("60.00")
    for worker in workers:
        worker.wake()
    wait_until(lambda: world.balance == "140.00")
    time.sleep(0.6)
    assert world.charges == [("4242", "100.00")]


def test_stopping_waits_for_a_running_charge(world, start):
    """L3: a charge that has begun is settled before the process ends."""
    asked, answered = Event(), Event()

    def slow(seconds):
        asked.set()
        assert answered.wait(PATIENCE)

    world.books.latency = 1.0
    processor = SandboxProcessor(world.books, world.clock, sleep=slow)
    world.cards(VISA)
    world.refill()
    rewire(world, processors={"sandbox": processor})
    worker = start()
    world.use("60.00")
    worker.wake()
    assert asked.wait(PATIENCE)
    answered.set()
    worker.stop()
    assert world.tries == [("4242", "100.00", "paid")]
    assert world.balance == "140.00"


def test_a_stopped_worker_starts_nothing(world, start):
    """L3: the next worker that starts finds the open work."""
    world.cards(VISA)
    world.refill()
    worker = start()
    worker.stop()
    world.use("60.00")
    worker.wake()
    time.sleep(0.7)
    assert world.tries == []
    start()
    wait_until(lambda: world.balance == "140.00")


def test_an_exception_does_not_end_the_worker(world, start, caplog):
    """T4, L3: it is logged; the attempt stays open and is reconciled."""

    class Broken(SandboxProcessor):
        def charge(self, request):
            raise RuntimeError("failed")

    world.cards(VISA)
    world.refill()
    good = world.services.processors
    rewire(world, processors={"sandbox": Broken(world.books, world.clock)})
    worker = start()
    world.use("60.00")
    worker.wake()
    wait_until(lambda: [a.state for a in world.attempts] == ["started"])
    wait_until(lambda: "top_up failed" in caplog.text)
    rewire(world, processors=good)
    world.pass_time(minutes=31)
    wait_until(lambda: world.balance == "140.00")
    assert len(world.charges) == 1
