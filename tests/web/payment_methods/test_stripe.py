"""An installation that charges through Stripe: form, refill and webhook."""

import json
import re

import pytest
from sqlalchemy import select

from tests.processors.stripe_stand_in import (
    ASKS_ALWAYS,
    DECLINES,
    PAYS,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    StandIn,
)
from tests.web.conftest import words
from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.domain.events.rows import EventRow
from webapp.domain.payments import unmatched_events
from webapp.ports import Holder

MAIN = "/billing/payment-methods"
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def stand_in(clock):
    with StandIn(clock.now) as stand_in:
        yield stand_in


@pytest.fixture
def environ(stand_in):
    return {
        "CARD_PROCESSOR": "stripe",
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_BASE": stand_in.base,
    }


def add(client, stand_in, number=PAYS, *, leave_open=False):
    """Open the form, enter the card in Stripe's part, and submit the token of its script."""
    secret, state = form_of(client)
    token = stand_in.confirm_setup(secret, number, leave_open=leave_open)["id"]
    return client.post(MAIN, data={"state": state, "token": token}, headers=FRAGMENT)


def deliver(client, stand_in):
    return [
        client.post("/webhooks/stripe", data=body, headers=headers).status_code
        for body, headers in stand_in.deliveries()
    ]


def form_of(client):
    """Return the SetupIntent's secret and the form's signed state."""
    form = client.get(f"{MAIN}/cards/new", headers=FRAGMENT).text
    secret = re.search(r'data-secret="([^"]+)"', form)[1]
    return secret, re.search(r'name="state" value="([^"]+)"', form)[1]


def test_the_policy_allows_stripes_hosts_and_the_page_says_test_mode(client):
    page = client.get(MAIN)

    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com" in policy
    assert "connect-src 'self' https://api.stripe.com" in policy
    assert "TEST MODE" in page.text
    assert "stripe" not in client.get("/sign-in").headers["Content-Security-Policy"]


def test_a_card_is_saved_charged_and_refunded(client, world, stand_in):
    """T4, M4, L7: from the form to the statement."""
    assert add(client, stand_in).status_code == 200
    (card,) = world.methods
    assert (card.label, card.auto_charge, card.processor) == ("Visa •••• 4242", True, "stripe")
    world.refill("50.00", "100.00")
    world.use("60.00")
    world.work()
    assert world.balance == "140.00"

    stand_in.refund(world.attempts[-1].key, 2500)

    # The payment's own event is late and changes nothing; each refund is reported twice.
    assert set(deliver(client, stand_in)) == {200}
    assert world.balance == "115.00"
    assert [kind for kind, _ in world.entries] == ["usage", "payment", "refund"]


def test_another_accounts_card_is_refused_m14(app, client, world, stand_in, caplog):
    """Its SetupIntent has leaked: nothing is saved, charged, or revoked."""
    add(client, stand_in)
    stripe = app.extensions["ballast"].processors["stripe"]
    secret = stripe.open_form(Holder(4711, "Victim Ltd", ()))["client_secret"]
    theirs = stand_in.confirm_setup(secret, "5555555555554444")
    _, state = form_of(client)

    answer = client.post(MAIN, data={"state": state, "token": theirs["id"]}, headers=FRAGMENT)

    assert answer.status_code == 422
    assert "opened for another account, so nothing was saved" in answer.text
    assert [method.label for method in world.methods] == ["Visa •••• 4242"]
    assert f"{theirs['id']} was made for account 4711" in caplog.text
    refused = select(EventRow).where(EventRow.audit == "method_refused")
    assert world.session.scalars(refused).one().account_id == world.account_id
    assert "4711" not in client.get("/settings/audit-log").text
    world.run("revoke methods")
    assert stand_in.get(theirs["payment_method"])["customer"] == theirs["customer"]
    assert stripe.save_card(4711, theirs["id"], "/").last4 == "4444"
    world.refill("50.00", "100.00")
    world.use("60.00")
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


def test_a_card_detached_before_it_was_saved_is_not_listed_m13(client, world, stand_in):
    """Its SetupIntent has succeeded, but the card belongs to no customer any more."""
    secret, state = form_of(client)
    token = stand_in.confirm_setup(secret, PAYS)
    stand_in.detach(token["payment_method"])
    deliver(client, stand_in)

    answer = client.post(MAIN, data={"state": state, "token": token["id"]}, headers=FRAGMENT)

    assert answer.status_code == 422
    assert world.methods == []


def test_a_decline_suspends_and_the_next_card_pays(client, world, stand_in):
    """F1, T7"""
    add(client, stand_in, DECLINES)
    add(client, stand_in)
    world.consent(world.method("4242"), True)
    world.refill("50.00", "100.00")
    world.use("60.00")
    world.work()

    assert world.tries == [("0341", "100.00", "declined"), ("4242", "100.00", "paid")]
    assert world.method("0341").is_suspended(world.clock.now())


def test_a_detached_card_is_gone_and_the_next_one_pays_in_the_same_refill_m13(
    client, world, stand_in
):
    """T7: the event was lost, and Stripe's error names neither a parameter nor a code."""
    add(client, stand_in)
    add(client, stand_in, "5555555555554444")
    world.consent(world.method("4444"), True)
    stand_in.detach(world.method("4242").processor_reference.partition("/")[2])
    stand_in.deliveries()  # the webhook is lost
    world.refill("50.00", "100.00")

    world.use("60.00")
    world.work()

    assert world.tries == [("4242", "100.00", "declined"), ("4444", "100.00", "paid")]
    assert world.balance == "140.00"
    gone = world.method("4242")
    assert (gone.is_gone, gone.auto_charge, gone.suspended_until) == (True, True, None)
    assert "No longer valid at the bank" in client.get(MAIN).text
    world.pass_time(hours=75)
    assert len(world.tries) == 2


def test_a_manual_payment_with_a_detached_card_explains_the_failure_m13(client, world, stand_in):
    add(client, stand_in)
    stand_in.detach(world.methods[0].processor_reference.partition("/")[2])
    form = {"amount": "50.00", "method": world.methods[0].id, "request_key": "k" * 32}

    answer = client.post("/billing/funds", data={**form, "kind": "instant"}, headers=FRAGMENT)

    message = "The processor no longer has Visa •••• 4242. Nothing was charged."
    assert message in words(answer)
    assert world.methods[0].is_gone


@pytest.mark.parametrize("blocked_for", ["rule", "highest_risk_level"])
def test_a_block_by_stripes_rules_does_not_blame_the_bank_f2(client, world, stand_in, blocked_for):
    """F3: no network forbids a repeat, but only the customer's own payment restores the card."""
    add(client, stand_in)
    method = world.methods[0].processor_reference.partition("/")[2]
    stand_in.cards[method].blocked_for = blocked_for
    form = {"amount": "50.00", "method": world.methods[0].id, "request_key": "k" * 32}

    answer = client.post("/billing/funds", data={**form, "kind": "instant"}, headers=FRAGMENT)

    assert "Blocked by the payment processor’s fraud rules" in answer.text
    assert "Declined by the bank" not in answer.text
    assert world.attempts[-1].decline_code == "blocked_by_processor"
    assert world.methods[0].is_blocked


def test_a_longer_wait_advised_by_the_network_is_applied_f1(client, world, stand_in):
    add(client, stand_in)
    method = world.methods[0].processor_reference.partition("/")[2]
    stand_in.cards[method].error = {"network_advice_code": "27"}
    world.refill("50.00", "100.00")
    world.use("60.00")
    world.work()

    world.clock.advance(hours=72)
    assert world.methods[0].is_suspended(world.clock.now())
    world.clock.advance(hours=25)
    assert not world.methods[0].is_suspended(world.clock.now())


def test_stripes_script_challenges_the_customer_on_the_page_f4(client, world, stand_in):
    add(client, stand_in, ASKS_ALWAYS)
    key = "k" * 32
    form = {"amount": "50.00", "method": world.methods[0].id, "request_key": key}

    asked = client.post("/billing/funds", data={**form, "kind": "instant"}, headers=FRAGMENT)

    assert asked.headers["HX-Retarget"] == "#question"
    secret = re.search(r'data-secret="([^"]+)"', asked.text)[1]
    conclusion = re.search(r'hx-post="([^"]+)"', asked.text)[1]
    stand_in.complete(secret)
    client.post(conclusion, data={"give_up": "0"}, headers=FRAGMENT)
    assert world.balance == "150.00"


def test_a_payment_confirmed_before_the_window_closed_is_credited_by_the_event(
    client, world, stand_in
):
    """L3: the browser does not return."""
    add(client, stand_in, ASKS_ALWAYS)
    form = {"amount": "50.00", "method": world.methods[0].id, "request_key": "k" * 32}
    asked = client.post("/billing/funds", data={**form, "kind": "instant"}, headers=FRAGMENT)
    stand_in.complete(re.search(r'data-secret="([^"]+)"', asked.text)[1])

    deliver(client, stand_in)

    assert world.balance == "150.00"


def test_a_challenge_has_a_page_of_its_own(client, world, stand_in):
    """For browsers without HTMX, and for links from the API."""
    add(client, stand_in, ASKS_ALWAYS)
    form = {"amount": "50.00", "method": world.methods[0].id, "request_key": "k" * 32}

    page = client.post("/billing/funds", data={**form, "kind": "instant"}, follow_redirects=True)

    assert "needs JavaScript. Nothing has been charged." in page.text
    stand_in.complete(re.search(r'data-secret="([^"]+)"', page.text)[1])
    conclusion = re.search(r'hx-post="([^"]+)"', page.text)[1]
    client.post(conclusion, data={"give_up": "0"}, headers=FRAGMENT)
    assert world.balance == "150.00"
    again = client.get(page.request.path, follow_redirects=True)
    assert "There is nothing to confirm" in again.text


def test_the_api_returns_the_address_of_a_challenge(client, world, stand_in):
    """The response does not contain the secret for Stripe's script."""
    add(client, stand_in, ASKS_ALWAYS)
    headers = {"Authorization": f"Bearer {world.created.api_key}", "Idempotency-Key": "first"}
    declined = client.post("/api/v1/payments", json={"amount": "100.00"}, headers=headers).json
    failed = declined["payment"]["id"]

    headers["Idempotency-Key"] = "second"
    asked = client.post(f"/api/v1/payments/{failed}/retries", headers=headers).json

    attempt_id = asked["attempts"][0]["id"]
    path = f"/billing/attempts/{attempt_id}/question"
    assert asked["authentication_url"].endswith(path)
    assert "Confirm with your bank" in client.get(path).text


def test_evidence_that_does_not_match_credits_nothing_l9(client, world, stand_in):
    """Another amount or another card than requested."""
    add(client, stand_in)
    for harm in ({"amount_received": 1}, {"payment_method": "pm_another"}):
        stand_in.failures.append("lose answer")
        world.pay(world.methods[0], "50.00")
        stand_in.intent_of(world.attempts[-1].key).update(harm)
        deliver(client, stand_in)
        attempt = world.attempts[-1]
        assert attempt.needs_operator
        assert attempt.mismatch
        attempt_id = attempt.id
        assert world.balance == "100.00"
        world.session.rollback()
        close(world, attempt_id)


def close(world, attempt_id):
    decide_attempt(world.ctx, attempt_id, False, "A test")


def test_a_payment_made_elsewhere_is_reported_to_the_operator_l9(client, world, stand_in):
    add(client, stand_in)
    stand_in.pay_elsewhere(world.methods[0].processor_reference.partition("/")[0])

    deliver(client, stand_in)

    (stray,) = unmatched_events.waiting(world.session)
    assert (stray.processor, stray.amount) == ("stripe", 7_000_000)
    assert world.balance == "100.00"


def test_an_unsigned_event_is_rejected(client, world, stand_in):
    body = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded"})

    assert client.post("/webhooks/stripe", data=body).status_code == 400
    assert client.post("/webhooks/nobody", data=body).status_code == 404


def test_an_event_gets_503_while_stripe_is_unavailable(client, world, stand_in):
    add(client, stand_in)
    world.pay(world.methods[0], "50.00")
    stand_in.refund(world.attempts[-1].key, 5000)
    (body, headers), *_ = stand_in.deliveries()[-2:]
    stand_in.is_away = True
    assert client.post("/webhooks/stripe", data=body, headers=headers).status_code == 503
    stand_in.is_away = False

    assert client.post("/webhooks/stripe", data=body, headers=headers).status_code == 200
    assert world.balance == "100.00"


def test_the_same_card_added_twice_is_saved_once_m8(client, world, stand_in):
    add(client, stand_in)
    add(client, stand_in)

    assert len(world.methods) == 1
    world.run("revoke methods")
    owners = [o["customer"] for o in stand_in.objects.values() if o["object"] == "payment_method"]
    assert owners.count(None) == 1


def test_a_card_form_expires_after_an_hour_of_the_applications_clock(client, world, stand_in):
    secret, state = form_of(client)
    token = stand_in.confirm_setup(secret, PAYS)["id"]

    def send_after(**span):
        world.clock.advance(**span)
        return client.post(MAIN, data={"state": state, "token": token}, headers=FRAGMENT)

    assert send_after(hours=1, seconds=1).status_code == 422
    assert world.methods == []
    assert send_after(seconds=-1).status_code == 200
    assert len(world.methods) == 1


def test_processors_check_queries_stripe(app, world, stand_in):
    result = app.test_cli_runner().invoke(args=["processors", "check", "--json"])

    found = {row["what"]: row["right"] for row in json.loads(result.stdout)}
    assert (found["keys"], found["API version"], found["webhook"]) == (True, True, False)
    assert result.exit_code == 1
