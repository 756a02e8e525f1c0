"""A processor that is down, busy or unable to write: what people and operators see."""

import re
from html import unescape

import pytest

from tests.factories import AMEX, card_form
from tests.failure_modes.conftest import in_order, read_only
from webapp.actions.payment_methods.add_method import NOT_SAVED
from webapp.domain.payments import unmatched_events
from webapp.ports import RequestRejected, Unknown
from webapp.processors.sandbox.processor import SandboxProcessor

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{MAIN}"}


def visible_text(answer):
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def hidden(answer):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))


def message(answer):
    """Return the icon and text of the message strip."""
    strip = re.search(r'<div class="message" role="status">(.*?)</div>', answer.text, re.DOTALL)[1]
    text = unescape(re.search(r"<p>(.*?)</p>", strip)[1])
    return re.search(r"svg#([\w-]+)", strip)[1], " ".join(text.split())


def add_funds(client, method, amount="50.00"):
    form = hidden(client.get("/billing/funds/new", headers=HTMX))
    return client.post(
        "/billing/funds", data={**form, "amount": amount, "method": method.id}, headers=HTMX
    )


def retry(client, attempt):
    address = f"/billing/attempts/{attempt.id}"
    form = hidden(client.get(f"{address}/retry", headers=HTMX))
    return client.post(f"{address}/retries", data=form, headers=HTMX)


@pytest.mark.parametrize("trouble", ["timeout_before_charge", "server_error"])
def test_adding_funds_without_an_outcome_is_not_a_success(client, covered, trouble):
    """L4, L10: no green tick, a message with what happens next, and no second payment."""
    covered.next_answer(trouble)
    icon, text = message(add_funds(client, covered.method("4242")))
    assert icon == "hourglass"
    assert text == (
        "The bank has not confirmed $50.00 to Visa •••• 4242 yet. "
        "You don’t need to do anything: we keep checking, and nothing is charged twice."
    )
    assert "Waiting for the bank" in visible_text(client.get("/billing/payments"))
    again = add_funds(client, covered.method("4242"))
    assert again.status_code == 409
    assert "is in progress. Wait for its outcome" in visible_text(again)
    covered.pass_time(hours=1)
    assert covered.charges == [("4242", "50.00")]
    assert covered.balance == "150.00"


def test_a_rejected_request_leaves_nothing_open(client, covered):
    """L8: the customer may try again."""
    covered.next_answer("refuse_to_look")
    icon, text = message(add_funds(client, covered.method("4242")))
    assert icon == "alert-triangle"
    assert text.endswith("could not be sent. Nothing was charged; try again in a moment.")
    assert message(add_funds(client, covered.method("4242")))[0] == "check"


def test_a_retry_without_an_outcome_is_not_offered_again(client, covered):
    """F4: the row says that a retry is in progress."""
    mastercard = covered.method("4444")
    covered.next_answer("decline", decline_code="insufficient_funds")
    covered.pay(mastercard, "40.00")
    covered.next_answer("timeout_before_charge", last4="4242")
    covered.pay(covered.method("4242"), "30.00")
    covered.next_answer("timeout_before_charge", last4="4444")
    answer = retry(client, covered.attempts[0])
    assert message(answer)[0] == "hourglass"
    row = re.search(rf'id="method-{mastercard.id}".*?</li>', answer.text, re.DOTALL)[0]
    assert "Retrying" in row
    assert "retry_dialog" not in row
    assert f"/attempts/{covered.attempts[0].id}/retry" not in row


def test_a_card_that_could_not_be_saved_can_be_sent_again(client, covered):
    """M6: nothing was saved."""

    class Down(SandboxProcessor):
        def save_card(self, account_id, token, return_to):
            return Unknown("Connection refused")

    processors = covered.services.processors
    original, processors["sandbox"] = processors["sandbox"], Down(covered.books, covered.clock)
    form = hidden(client.get(f"{MAIN}/cards/new", headers=HTMX))
    card = client.post(
        "/sandbox/cards", data=card_form(AMEX), headers={"Accept": "application/json"}
    )
    sent = {"state": form["state"], "token": card.json["token"]}
    refused = client.post(MAIN, data=sent, headers=HTMX)
    assert refused.status_code == 422
    assert message(refused) == ("alert-triangle", NOT_SAVED)
    assert len(covered.methods) == 2
    processors["sandbox"] = original
    assert client.post(MAIN, data=sent, headers=HTMX).status_code == 200
    assert len(covered.methods) == 3


def test_a_processors_full_disk_is_an_unknown_outcome(covered):
    """L3: a processor raises no exception; the attempt is reconciled later."""
    processor = covered.services.processors["sandbox"]
    saved = covered.method("4242").processor_reference
    with read_only(covered.books.store.engine):
        payment = covered.pay(covered.method("4242"), "30.00")
        assert payment.state == "open"
        assert covered.tries == [("4242", "30.00", "unknown")]
        assert isinstance(processor.verify("verify-1", saved), Unknown)
        assert isinstance(processor.save_card(1, "tok_x", "/"), Unknown | RequestRejected)
        assert processor.revoke("card_x") is False
    covered.pass_time(minutes=31)
    assert covered.tries == [("4242", "30.00", "paid")]
    assert in_order(covered)


def test_readiness_warns_of_attempts_without_an_answer(client, covered):
    """L10: the probe still answers 200; attempts for the operator have their own line."""
    covered.next_answer("timeout_before_charge")
    covered.use("60.00")
    covered.work()
    covered.clock.advance(minutes=14)
    assert client.get("/readyz").text == (
        "ready\nwarning: No answer from the processor: 1 charge, the oldest for 14 min\n"
    )
    assert "ballast_unheard_attempts 1.0" in client.get("/metrics").text
    covered.clock.advance(hours=23)
    covered.run("reconcile")
    assert client.get("/readyz").text == (
        "ready\nwarning: Unresolved: 1 charge, the oldest for 23 h; "
        "see flask --app wsgi attempts list\n"
    )


def test_readiness_warns_of_unmatched_events(client, world):
    """L9: they are for the operator to investigate."""
    now = world.clock.now()
    unmatched_events.record(
        world.ctx.at(now), "sandbox", "ch_1", "No payment of ours.", 5_000_000, "USD", now
    )
    world.session.commit()
    world.clock.advance(hours=2)
    assert client.get("/readyz").text == (
        "ready\nwarning: Unmatched: 1 event, the oldest for 2 h; "
        "see flask --app wsgi evidence list\n"
    )
    assert "ballast_evidence_for_operator 1.0" in client.get("/metrics").text


def test_readiness_warns_when_no_worker_runs(client, covered):
    """T4: the web process runs no jobs, and no jobs process was started."""
    covered.use("60.00")
    covered.clock.advance(minutes=3)
    answer = client.get("/readyz", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert [line["code"] for line in answer.json["warnings"]] == ["worker"]
    assert "jobs start" in answer.json["warnings"][0]["sentence"]
    covered.work()
    assert client.get("/readyz").text == "ready\n"


def test_readiness_warns_of_a_clock_that_is_behind(client, covered):
    """The newest row has a later timestamp."""
    covered.use("1.00")
    covered.clock.advance(hours=-1)
    assert client.get("/readyz").text == (
        "ready\nwarning: The clock is 1 h behind the newest row: set it right\n"
    )
    assert "ballast_clock_behind_seconds 3600.0" in client.get("/metrics").text
    for page in ("", "/refresh"):
        assert client.get(f"{MAIN}{page}", headers=HTMX).status_code == 200
    for page in ("payments", "activity", "statement", "wire-transfers"):
        assert client.get(f"/billing/{page}").status_code == 200
