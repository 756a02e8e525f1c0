"""A database that cannot be used: what people, machines and the operator are told meanwhile.

The faults are SQLite's own: a connection that may only read, a writer that holds the lock, a folder
that is not there. PostgreSQL's are told by the same words (tests/database/test_errors.py).
"""

import re
import sqlite3
import time
from contextlib import ExitStack

import pytest

from tests.factories import MASTERCARD, VISA
from tests.failure_modes.conftest import full, in_order, locked, read_only
from webapp.extensions import db
from webapp.processors.sandbox.processor import SandboxProcessor

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}


@pytest.fixture(params=["read_only", "busy", "absent"])
def fault(request, absent):
    """Its code at /readyz, and what begins it and ends it."""
    return request.param, {"read_only": read_only, "busy": locked, "absent": absent}[request.param]


@pytest.fixture
def covered(world):
    world.cards(VISA, MASTERCARD)
    world.refill()
    return world


@pytest.fixture
def bearer(world):
    return {"Authorization": f"Bearer {world.created.api_key}"}


def words(answer):
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(text.split())


def switch_off(client, method_id, headers=None):
    address = f"{MAIN}/{method_id}/auto-charge"
    return client.post(address, data={"on": "0"}, headers=headers or {})


def test_a_person_reads_a_calm_page_and_nothing_was_done(client, covered, fault):
    """L3: 503 and when to come back; no trace, no framework's words; afterwards it goes on."""
    _, trouble = fault
    method_id = covered.method("4242").id
    with trouble():
        answer = switch_off(client, method_id)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "Nothing was done. Please try again in a few minutes." in words(answer)
        assert "Ballast" in words(answer)
        for word in ("Traceback", "sqlite", "SQL", "Error code"):
            assert word not in answer.text
    assert covered.method("4242").auto_charge, "M3: and the consent stands"
    assert switch_off(client, method_id).status_code == 303
    assert not covered.method("4242").auto_charge
    assert in_order(covered)


def test_nobody_is_told_that_nothing_was_done_when_a_charge_was_begun(client, covered):
    """L3, L10: the bank has it, and it could not be written down; afterwards it is found."""
    outage = ExitStack()

    class Cut(SandboxProcessor):
        def charge(self, request):
            answer = super().charge(request)
            outage.enter_context(read_only())
            return answer

    covered.services.processors["sandbox"] = Cut(covered.books, covered.clock)
    key = re.search(r'name="request_key" value="(\w+)"', client.get("/billing/funds/new").text)[1]
    form = {"amount": "50.00", "method": covered.method("4242").id, "request_key": key}
    with outage:
        answer = client.post("/billing/funds", data=form)
        assert answer.status_code == 503
        assert "may have started" in words(answer)
        assert "Nothing was done" not in words(answer)
    again = client.post("/billing/funds", data=form, follow_redirects=True)
    assert "The bank has not confirmed" in words(again), "L4: the form makes one payment"
    covered.pass_time(seconds=10)
    assert covered.charges == [("4242", "50.00")]
    assert covered.balance == "150.00"
    assert in_order(covered)


def test_a_script_brings_the_same_words_to_where_the_person_is(client, covered, fault):
    """The message strip alone: static/js/messages.js says it, also in an open dialog."""
    _, trouble = fault
    method_id = covered.method("4242").id
    with trouble():
        answer = switch_off(client, method_id, HTMX)
    assert answer.status_code == 503
    assert 'id="messages"' in answer.text
    assert "<html" not in answer.text
    assert "Nothing was done." in words(answer)


def test_a_page_is_not_half_there(client, covered, absent):
    """Reading, too: and it is not said that nothing was done, for nothing was asked to be."""
    with absent():
        answer = client.get(MAIN)
        assert answer.status_code == 503
        assert "is unavailable right now" in words(answer)
        assert "Nothing was done" not in words(answer)
        assert client.get("/sign-in").status_code == 503
        assert client.get("/healthz").status_code == 200, "a restart would not help"
    assert client.get(MAIN).status_code == 200


def test_what_can_be_read_is_read(client, covered, bearer):
    """A full disk takes no page away."""
    with read_only():
        assert client.get(MAIN).status_code == 200
        assert client.get("/billing/statement").status_code == 200
        assert client.get("/api/v1/balance", headers=bearer).status_code == 200


def test_machines_are_told_in_their_own_forms(app, covered, bearer, fault):
    """L12: 503 with a stable code; sent again later, each reference is posted once."""
    _, trouble = fault
    visitor = app.test_client()
    usage = {"amount": "10.00", "reference": "call-981"}
    with trouble():
        answer = visitor.post("/api/v1/usage", json=usage, headers=bearer)
        assert answer.status_code == 503
        assert answer.content_type == "application/problem+json"
        assert answer.json["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) > 0
    for status in ("posted", "duplicate"):
        answer = visitor.post("/api/v1/usage", json=usage, headers=bearer)
        assert answer.json["status"] == status
    assert covered.balance == "90.00"


def test_the_other_machine_interface_too(app, world, absent):
    """JSON:API has an array of errors."""
    with absent():
        answer = app.test_client().get("/v3/balance", headers={"Api-Key": world.created.api_key})
    assert answer.status_code == 503
    assert answer.content_type == "application/vnd.api+json"
    assert [error["code"] for error in answer.json["errors"]] == ["unavailable"]
    assert "Retry-After" in answer.headers


def test_a_command_says_it_in_one_line(flask, covered, fault):
    """No trace, and an exit code."""
    _, trouble = fault
    line = f"accounts adjust {covered.account_id} 5.00 --reason gift"
    with trouble():
        failed = flask(line)
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: The database ")
    assert failed.stderr.count("\n") == 1
    assert flask(line).exit_code == 0
    assert covered.balance == "105.00"


# /readyz


@pytest.mark.parametrize("trouble", [full, read_only])
def test_ready_means_that_it_can_be_written(client, world, trouble):
    """One line, without a trace in the database; and ready again when it is over."""
    with trouble():
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.text.count("\n") == 1
        assert answer.text.startswith(("The disk is full", "The database is"))
    assert client.get("/readyz").text == "ready\n"
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'scrap'"
    assert world.session.execute(db.text(tables)).scalar() == 0


def test_absent_is_told_with_its_code(client, world, absent):
    with absent():
        answer = client.get("/readyz", headers={"Accept": "application/json"})
        assert answer.status_code == 503
        assert [trouble["code"] for trouble in answer.json["troubles"]] == ["absent"]
        assert not answer.json["ready"]
        assert "ballast_ready 0.0" in client.get("/metrics").text
    answer = client.get("/readyz", headers={"Accept": "application/json"})
    assert answer.json == {"ready": True, "troubles": [], "warnings": [], "notes": []}
    assert "ballast_ready 1.0" in client.get("/metrics").text


def test_no_probe_waits_for_long(client, world):
    """The lock is waited for, but not for as long as a person's request waits."""
    other = sqlite3.connect(db.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - began < 10.0
    other.execute("ROLLBACK")
    other.close()
    assert "locked or overloaded" in answer.text
