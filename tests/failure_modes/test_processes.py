"""Real processes: a full disk, an update during operation, and shutdown."""

import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from flask.sessions import SecureCookieSessionInterface
from flask_migrate import downgrade, upgrade

from tests import processes
from tests.conftest import on_sqlite
from tests.factories import MASTERCARD, VISA, MovableClock, micros, signed_in_cookie
from tests.failure_modes.conftest import in_order, wait_until
from tests.web.conftest import words
from webapp.clock import Clock
from webapp.extensions import db
from webapp.settings import ROOT


@pytest.fixture
def clock():
    """A clock at the current time, as in the started processes."""
    return MovableClock(Clock().now())


@pytest.fixture
def covered(world):
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.session.rollback()
    return world


@on_sqlite
def test_a_command_replaces_characters_missing_in_the_locale(covered, process):
    """Card names contain •, which Latin-1 lacks. Python reads the variable when it starts."""
    environ = {**process.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", *processes.FLASK, "methods", "list", str(covered.account_id)]
    listed = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    assert "Visa ???? 4242" in listed.stdout


def wait_for_open_charges(world, count=1):
    """Wait until this many charges are at the processor."""
    wait_until(lambda: [state for *_, state in world.tries].count("started") == count)


def limit_files(pid, size):
    """Limit the size of files that the process and its children can write."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    for process_id in (pid, *map(int, children)):
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit exists only on Linux")
def test_a_full_disk_loses_nothing(covered, process, home):
    """L2, L3, L12: usage answered 201 is stored, and an open charge is credited once."""
    process.serve()
    usage = f"{process.url}/api/v1/usage"
    bearer = {"Authorization": f"Bearer {covered.created.api_key}"}
    sent = {}

    def post(reference, amount="0.01"):
        sent[reference] = amount
        record = {"amount": amount, "reference": reference}
        return requests.post(usage, json=record, headers=bearer, timeout=30)

    ours, theirs = home / "ballast.db-wal", home / "sandbox.db-wal"
    while ours.stat().st_size < 2 * theirs.stat().st_size:
        assert post(f"before-{len(sent)}").status_code == 201
    covered.next_answer("slow", seconds=1.0)
    assert post("below", "60.00").status_code == 201
    wait_for_open_charges(covered)
    # The processor can book the charge, but the product cannot record it.
    limit_files(process.handle.pid, ours.stat().st_size)
    wait_until(covered.books.paid_charges)
    refused = [post(f"meanwhile-{count}") for count in range(3)]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {
        (503, "unavailable")
    }
    assert process.ask("/readyz").text == "The disk is full or not writable\n"
    wait_until(lambda: "Due work waits" in process.output)
    assert [state for *_, state in covered.tries] == ["started"]

    limit_files(process.handle.pid, resource.RLIM_INFINITY)
    covered.books.advance_clock(timedelta(seconds=10))
    wait_until(lambda: [state for *_, state in covered.tries] == ["paid"])
    assert process.ask("/readyz").status == 200
    for reference, amount in list(sent.items()):
        again = post(reference, amount).json()["status"]
        assert again == ("posted" if reference.startswith("meanwhile") else "duplicate")
    assert micros(covered.balance) == micros("200.00") - sum(map(micros, sent.values()))
    assert covered.charges == [("4242", "100.00")]
    assert in_order(covered)
    levels = [
        line.split()[1] for line in process.output.splitlines() if "webapp.supervisor" in line
    ]
    assert levels == ["ERROR", "INFO"], process.output
    assert "Traceback" not in process.output


def test_a_started_server_waits_for_an_update_of_the_database(app, covered, process):
    """T4: probes and pages report it, and work resumes without a restart."""
    covered.use("60.00")
    step(downgrade, "-1")
    process.serve()
    assert process.ask("/readyz").status == 503
    assert "An update is being installed" in process.ask("/sign-in").text
    wait_until(lambda: "Due work waits" in process.output)
    step(upgrade, "head")
    wait_until(lambda: process.ask("/readyz").status == 200)
    wait_until(lambda: covered.balance == "140.00")
    assert process.ask("/sign-in").status == 200
    wait_until(lambda: "Waiting work continues" in process.output)
    levels = [
        line.split()[1] for line in process.output.splitlines() if "webapp.supervisor" in line
    ]
    assert levels == ["ERROR", "INFO"], process.output


def step(migrate, revision):
    db.session.remove()
    migrate(revision=revision)


def test_sigterm_finishes_open_requests_and_charges(app, covered, process):
    """L3: the request is answered, both charges are settled, and the exit code is 0."""
    elsewhere = covered.account()
    covered.card("5105105105105100", auto_charge=True, account_id=elsewhere.account_id)
    for last4 in ("4242", "5100"):
        covered.next_answer("slow", seconds=2.0, last4=last4)
    process.serve()
    person, form = signed_in(app, covered, process), "/billing/funds/new"
    sent = {
        **fields(person.get(process.url + form).text),
        "amount": "30.00",
        "method": covered.method("4242").id,
    }
    with ThreadPoolExecutor() as pool:
        response = pool.submit(person.post, f"{process.url}/billing/funds", sent, timeout=30)
        wait_for_open_charges(covered)
        with acting_for(covered, elsewhere):
            covered.refill()
            covered.use("60.00")
            wait_for_open_charges(covered)
        process.handle.terminate()
        answer = response.result()
    assert "$30.00 paid with Visa •••• 4242" in words(answer)
    assert process.handle.wait(30) == 0
    assert covered.balance == "130.00"
    with acting_for(covered, elsewhere):
        assert covered.balance == "140.00"
    assert "Left for the next start" not in process.output
    assert in_order(covered)


@pytest.mark.parametrize(
    "command",
    [
        (*processes.WEB, "--graceful-timeout", "3"),
        (*processes.JOBS, "--grace", "1"),
    ],
    ids=["gunicorn", "jobs"],
)
def test_a_hanging_processor_does_not_delay_the_shutdown(covered, process, command):
    """L3: the charge stays open; the next process reconciles it, and it is made once."""
    covered.next_answer("slow", seconds=25.0)
    process.start(*command)
    covered.use("60.00")
    wait_for_open_charges(covered)
    began = time.monotonic()
    process.handle.terminate()
    assert process.handle.wait(30) == 0
    assert time.monotonic() - began < 15
    assert covered.tries == [("4242", "100.00", "started")]
    assert "top_up" in process.output.rpartition("Left for the next start to carry on")[2]
    covered.books.clear_answers()
    covered.pass_time(minutes=31)
    assert covered.tries == [("4242", "100.00", "paid")]
    assert covered.charges == [("4242", "100.00")]
    assert in_order(covered)


def signed_in(app, world, process):
    """Return a browser session with the owner's signed cookie."""
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    cookie = signer.dumps(
        signed_in_cookie(world.session, world.created.user_id, world.clock.wall())
    )
    browser = requests.Session()
    browser.cookies.set("session", cookie, domain="127.0.0.1")
    return browser


def fields(page):
    """Return a form's hidden fields."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


@contextmanager
def acting_for(world, other):
    """Use the world for another account."""
    mine, world.account_id = world.account_id, other.account_id
    try:
        yield
    finally:
        world.account_id = mine
