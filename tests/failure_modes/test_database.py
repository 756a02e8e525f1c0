"""An unusable database: what people, API clients and operators see.

The faults are SQLite's: a read-only connection, a locked database, a missing folder. PostgreSQL's
faults have the same messages (tests/database/test_errors.py).
"""

import re
import sqlite3
import time
from contextlib import ExitStack

import pytest

from tests.failure_modes.conftest import full, in_order, locked, read_only
from webapp.extensions import db
from webapp.processors.sandbox.processor import SandboxProcessor

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}


@pytest.fixture(params=["read_only", "busy", "absent"])
def fault(request, absent):
    """The fault's code at /readyz and its context manager."""
    return request.param, {"read_only": read_only, "busy": locked, "absent": absent}[request.param]


@pytest.fixture
def bearer(world):
    return {"Authorization": f"Bearer {world.created.api_key}"}


def visible_text(answer):
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(text.split())


def switch_off(client, method_id, headers=None):
    address = f"{MAIN}/{method_id}/auto-charge"
    return client.post(address, data={"on": "0"}, headers=headers or {})


def test_a_person_sees_an_outage_page_and_nothing_was_done(client, covered, fault):
    """L3: 503 with Retry-After and without internals; afterwards the same request works."""
    _, cause_fault = fault
    method_id = covered.method("4242").id
    with cause_fault():
        answer = switch_off(client, method_id)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "Nothing was done. Please try again in a few minutes." in visible_text(answer)
        assert "Ballast" in visible_text(answer)
        for word in ("Traceback", "sqlite", "SQL", "Error code"):
            assert word not in answer.text
    assert covered.method("4242").auto_charge, "M3: the consent is unchanged"
    assert switch_off(client, method_id).status_code == 303
    assert not covered.method("4242").auto_charge
    assert in_order(covered)


def test_an_outage_after_a_charge_does_not_claim_that_nothing_was_done(client, covered):
    """L3, L10: the charge was made but not recorded; reconciliation finds it."""
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
        assert "may have started" in visible_text(answer)
        assert "Nothing was done" not in visible_text(answer)
    again = client.post("/billing/funds", data=form, follow_redirects=True)
    assert "The bank has not confirmed" in visible_text(again), "L4: the form makes one payment"
    covered.pass_time(seconds=10)
    assert covered.charges == [("4242", "50.00")]
    assert covered.balance == "150.00"
    assert in_order(covered)


def test_an_htmx_request_gets_the_same_message_as_a_fragment(client, covered, fault):
    """Only the message strip: static/js/messages.js shows it, also in an open dialog."""
    _, cause_fault = fault
    method_id = covered.method("4242").id
    with cause_fault():
        answer = switch_off(client, method_id, HTMX)
    assert answer.status_code == 503
    assert 'id="messages"' in answer.text
    assert "<html" not in answer.text
    assert "Nothing was done." in visible_text(answer)


def test_a_page_that_cannot_be_read_is_an_outage_page(client, covered, absent):
    """A read changes nothing, so the page does not say "Nothing was done"."""
    with absent():
        answer = client.get(MAIN)
        assert answer.status_code == 503
        assert "is unavailable right now" in visible_text(answer)
        assert "Nothing was done" not in visible_text(answer)
        assert client.get("/sign-in").status_code == 503
        assert client.get("/healthz").status_code == 200, "a restart would not help"
    assert client.get(MAIN).status_code == 200


def test_a_read_only_database_still_serves_pages(client, covered, bearer):
    """As with a full disk."""
    with read_only():
        assert client.get(MAIN).status_code == 200
        assert client.get("/billing/statement").status_code == 200
        assert client.get("/api/v1/balance", headers=bearer).status_code == 200


def test_api_clients_get_a_problem(app, covered, bearer, fault):
    """L12: 503 with a stable code; usage sent again later is posted once."""
    _, cause_fault = fault
    visitor = app.test_client()
    usage = {"amount": "10.00", "reference": "call-981"}
    with cause_fault():
        answer = visitor.post("/api/v1/usage", json=usage, headers=bearer)
        assert answer.status_code == 503
        assert answer.content_type == "application/problem+json"
        assert answer.json["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) > 0
    for status in ("posted", "duplicate"):
        answer = visitor.post("/api/v1/usage", json=usage, headers=bearer)
        assert answer.json["status"] == status
    assert covered.balance == "90.00"


def test_v3_clients_get_a_json_api_error(app, world, absent):
    with absent():
        answer = app.test_client().get("/v3/balance", headers={"Api-Key": world.created.api_key})
    assert answer.status_code == 503
    assert answer.content_type == "application/vnd.api+json"
    assert [error["code"] for error in answer.json["errors"]] == ["unavailable"]
    assert "Retry-After" in answer.headers


def test_a_command_reports_an_outage_in_one_line(flask, covered, fault):
    """Without a trace, and with exit code 1."""
    _, cause_fault = fault
    line = f"accounts adjust {covered.account_id} 5.00 --reason gift"
    with cause_fault():
        failed = flask(line)
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: The database ")
    assert failed.stderr.count("\n") == 1
    assert flask(line).exit_code == 0
    assert covered.balance == "105.00"


# /readyz


@pytest.mark.parametrize("cause_fault", [full, read_only])
def test_readiness_requires_a_writable_database(client, world, cause_fault):
    """The probe answers with one line and leaves no trace in the database."""
    with cause_fault():
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.text.count("\n") == 1
        assert answer.text.startswith(("The disk is full", "The database is"))
    assert client.get("/readyz").text == "ready\n"
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'scrap'"
    assert world.session.execute(db.text(tables)).scalar() == 0


def test_readiness_reports_an_absent_database_with_its_code(client, world, absent):
    with absent():
        answer = client.get("/readyz", headers={"Accept": "application/json"})
        assert answer.status_code == 503
        assert [trouble["code"] for trouble in answer.json["troubles"]] == ["absent"]
        assert not answer.json["ready"]
        assert "ballast_ready 0.0" in client.get("/metrics").text
    answer = client.get("/readyz", headers={"Accept": "application/json"})
    assert answer.json == {"ready": True, "troubles": [], "warnings": [], "notes": []}
    assert "ballast_ready 1.0" in client.get("/metrics").text


def test_a_probe_does_not_wait_long_for_a_lock(client, world):
    """Its lock timeout is shorter than that of a page."""
    other = sqlite3.connect(db.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - began < 10.0
    other.execute("ROLLBACK")
    other.close()
    assert "locked or overloaded" in answer.text
