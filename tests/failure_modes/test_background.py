"""Worker and jobs during failures: one log line when a failure begins, one when it ends."""

import logging
import time
from dataclasses import replace
from errno import ENOSPC

import pytest
import time_machine
from sqlalchemy.exc import OperationalError

from tests.factories import MASTERCARD, VISA
from tests.failure_modes.conftest import in_order, read_only, wait_until
from webapp import supervisor as supervisor_module
from webapp.background import scheduler
from webapp.background.processes import Background
from webapp.background.worker import Worker
from webapp.clock import Clock
from webapp.ports import MailServerUnavailable
from webapp.supervisor import Supervisor


@pytest.fixture
def log_lines(caplog):
    """Return a function that reads the log as (level, message)."""
    caplog.set_level(logging.INFO)

    def read():
        return [(r.levelname, r.getMessage()) for r in caplog.records if r.levelno >= logging.INFO]

    return read


def test_an_outage_is_logged_once_and_work_resumes_afterwards(app, world, log_lines):
    """T4, L3: the charge waits for the database and is made once."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    worker = Worker()
    with read_only():
        worker.start(app)
        wait_until(log_lines)
        time.sleep(1.2)  # the worker tries every half second
        assert len(log_lines()) == 1
    wait_until(lambda: world.balance == "140.00")
    worker.stop()
    assert [level for level, _ in log_lines()] == ["ERROR", "INFO"]
    assert log_lines()[0][1].startswith("The database is read-only (")
    assert log_lines()[1][1].startswith("Over: The database is read-only.")
    assert world.balance == "140.00"
    assert world.charges == [("4242", "100.00")]
    assert in_order(world)


def test_a_batch_stops_at_a_failure_that_affects_every_item(app, world, caplog):
    """A full disk fails one email of the batch, not each of them."""
    visa = world.card(VISA)
    for _ in range(12):
        world.pay(visa, "30.00")
    with read_only(), pytest.raises(OperationalError):
        world.work()
    assert caplog.records == []
    world.session.rollback()
    assert {notice.tries for notice in world.notices} == {0}


def test_several_tasks_share_one_log_line(log_lines):
    """The first task that fails logs the failure; it ends when the database is usable again."""
    supervisor = Supervisor()

    def fail():
        raise OSError(ENOSPC, "No space left on device")

    for task in ("sweep", "reconcile", "sweep"):
        assert not supervisor.run(task, fail)
    supervisor.run("sweep", lambda: 1)
    assert len(log_lines()) == 1
    supervisor.outage_is_over()
    assert [level for level, _ in log_lines()] == ["ERROR", "INFO"]


def test_a_mail_server_has_recovered_once_an_email_is_sent(log_lines):
    """A round without emails is no evidence of a working server."""
    supervisor = Supervisor()

    def unavailable():
        raise MailServerUnavailable("The mail server cannot be used: timed out")

    for do in (unavailable, lambda: 0, unavailable, lambda: 0):
        supervisor.run("send emails", do)
    assert [level for level, _ in log_lines()] == ["ERROR"]
    supervisor.run("send emails", lambda: 3)
    assert [level for level, _ in log_lines()] == ["ERROR", "INFO"]


def test_an_internal_error_is_logged_with_its_trace(caplog):
    """Once, and again only after a success."""
    supervisor = Supervisor()
    for _ in range(3):
        supervisor.run("sweep", lambda: 1 / 0)
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "sweep failed" in record.getMessage()
    assert "ZeroDivisionError" in caplog.text


def test_readiness_reports_a_stalled_loop(app, world, client, monkeypatch):
    """The probe answers 503 and names the loop."""
    supervisor = Supervisor()
    app.extensions["ballast"] = replace(world.services, supervisor=supervisor)
    assert client.get("/readyz").status_code == 200
    supervisor.heartbeat("the worker")
    assert client.get("/readyz").text == "ready\n"
    monkeypatch.setattr(supervisor_module, "STALLED_AFTER", -1.0)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (
        503,
        "In this process the worker has stopped: restart it\n",
    )


@pytest.mark.parametrize("environ", [{"RUN_JOBS": "1"}])
def test_readiness_reports_jobs_that_were_never_started(client, environ):
    """With RUN_JOBS=1 the jobs should run in this process."""
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text.count("has stopped") == 2


def test_the_scheduler_continues_when_the_clock_is_set_back(app, world):
    """L10, T4: APScheduler uses the wall clock and would otherwise wait for the whole jump."""
    world.session.rollback()
    background = Background()
    with time_machine.travel(Clock().now(), tick=True) as wall:
        background.start(app)
        try:
            reconcile = background._scheduler.get_job("reconcile")
            planned = reconcile.next_run_time
            wall.shift(-3600)
            wait_until(lambda: reconcile.next_run_time < planned)
            assert (reconcile.next_run_time - Clock().now()).total_seconds() <= 6
        finally:
            background.stop(within=10)
    assert in_order(world)


def test_a_closed_supervisor_charges_no_further_method(app, world):
    """L3: the chain stops between two methods, and the next process continues it."""
    supervisor = Supervisor()
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    processor = world.services.processors["sandbox"]
    processor._sleep = lambda seconds: supervisor.close()
    world.books.latency = 0.001
    (top_up,) = [job for job in scheduler.JOBS if job.name == "top up"]
    world.session.rollback()
    supervisor.run("top up", lambda: scheduler.run_job(app, top_up, supervisor.should_continue))
    assert world.tries == [("4242", "100.00", "declined")]
    assert not supervisor.run(
        "top up", lambda: scheduler.run_job(app, top_up, supervisor.should_continue)
    )
    world.work()
    assert world.tries[1:] == [("4444", "100.00", "paid")]


def test_a_closed_supervisor_reconciles_no_further_attempt(app, world):
    """L10: a slow processor does not delay the shutdown by many queries."""
    supervisor = Supervisor()
    for method in world.cards(VISA, MASTERCARD):
        world.next_answer("timeout_after_charge")
        world.pay(method, "30.00")
    world.clock.advance(seconds=10)
    world.services.processors["sandbox"]._sleep = lambda seconds: supervisor.close()
    world.books.latency = 0.001
    (reconcile,) = [job for job in scheduler.JOBS if job.name == "reconcile"]
    world.session.rollback()
    supervisor.run(
        "reconcile", lambda: scheduler.run_job(app, reconcile, supervisor.should_continue)
    )
    assert [state for *_, state in world.tries] == ["paid", "unknown"]
