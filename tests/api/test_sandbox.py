"""A provider's tests drive the sandbox by API alone (V10)."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.api.conftest import Program
from tests.factories import CHALLENGED_ALWAYS, CHALLENGED_ONCE, DECLINING, PASSWORD, VISA
from webapp.actions.users.operators import create_operator
from webapp.domain.api_keys.api_key import OF_PROVIDER, Scope
from webapp.domain.users.user import User
from webapp.processors.sandbox.cards import BEHAVIOURS, TEST_CARDS, Adding

REFILL = {
    "refill_on": True, "notification_on": False, "threshold": "50.00", "refill_amount": "100.00",
}  # fmt: skip
EVERYTHING = [
    ("POST", "/accounts/1/sandbox/payment-methods", {"card_number": VISA}),
    ("PUT", "/accounts/1/sandbox/low-balance-settings", REFILL),
    ("POST", "/sandbox/challenges/ask_1", {"confirmed": True}),
    ("POST", "/sandbox/answers", {"kind": "decline"}),
    ("DELETE", "/sandbox/answers", None),
    ("POST", "/sandbox/clock", {"hours": 1}),
    ("GET", "/sandbox/emails", None),
]


@pytest.fixture
def customer(provider):
    """The path of a new account without a balance."""
    owner = {"name": "Ben Okafor", "email": "ben@pier.example"}
    body = {"name": "Pier Telecom", "external_id": "cust-7", "owner": owner}
    assert provider("POST", "/accounts", body).status_code == 201
    return "/accounts/external:cust-7"


def add(provider, customer, number, **more):
    path = f"{customer}/sandbox/payment-methods"
    return provider("POST", path, {"card_number": number, **more})


def balance(provider, customer):
    return provider.get(f"{customer}/balance").json["balance"]


def test_v10_only_the_scope_opens_the_sandbox(app, program, world):
    """V10, V1: an account's own key never stands for its customer's bank."""
    others = Program(app, world.provider_key(*set(OF_PROVIDER) - {Scope.SANDBOX}).key)
    for method, path, body in EVERYTHING:
        for key in (program, others):
            answer = key(method, path, body)
            assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope"), path


def test_v10_a_real_card_processor_has_no_sandbox(app, provider, world):
    """V10, M7: then no card number is read, and the clock stands."""
    app.extensions["ballast"] = replace(app.extensions["ballast"], card_processor="stripe")
    for method, path, body in EVERYTHING:
        answer = provider(method, path, body)
        assert (answer.status_code, answer.json["code"]) == (409, "no_sandbox"), path
    assert world.books.clock_offset() == timedelta(0)
    assert world.methods == []


def test_v10_a_card_and_settings_refill_the_balance(provider, customer, world):
    """V10: as on the page, the first card has auto-charge on, and a due refill is charged."""
    added = add(provider, customer, VISA)
    assert added.status_code == 201
    assert added.json["challenge"] is None
    method = added.json["payment_method"]
    assert (method["name"], method["auto_charge"]) == ("Visa •••• 4242", True)
    assert (
        add(provider, customer, DECLINING, auto_charge=True).json["payment_method"]["position"] == 2
    )
    events = provider.get("/events?type=payment_method.added").json["events"]
    consents = [it["data"]["payment_method"]["auto_charge"] for it in events]
    assert consents == [True, True]

    saved = provider("PUT", f"{customer}/sandbox/low-balance-settings", REFILL)
    assert (saved.json["refill_on"], saved.json["day_limit"]) == (True, "500.00")
    assert balance(provider, customer) == "0.00"
    world.work()
    assert balance(provider, customer) == "100.00"


def test_v10_every_test_card_is_saved_challenged_or_refused(provider, customer):
    """V10: `TEST_CARDS` states what a card does, and the answer never repeats the number."""
    for number, name in TEST_CARDS.items():
        answer = add(provider, customer, number)
        status = {Adding.SUCCEEDS: 201, Adding.CHALLENGE: 202, Adding.REFUSED: 422}
        assert answer.status_code == status[BEHAVIOURS[name].adding], number
        assert number not in answer.text
        if answer.status_code == 422:
            assert list(answer.json["errors"]) == ["card_number"]
    mistyped = add(provider, customer, VISA[:-1] + "1")
    assert mistyped.json["errors"] == {
        "card_number": "A digit of the card number is missing or mistyped"
    }
    assert add(provider, customer, VISA, expiry="01/20").json["errors"] == {
        "expiry": "This card has expired"
    }


def test_v10_a_challenged_card_is_listed_when_the_customer_confirms(provider, customer):
    """V10, M6"""
    asked = add(provider, customer, CHALLENGED_ONCE)
    assert (asked.status_code, asked.json["payment_method"]) == (202, None)
    path = f"/sandbox/challenges/{asked.json['challenge']}"
    for _ in range(2):
        answer = provider("POST", path, {"confirmed": True}).json
        assert (answer["state"], answer["payment_method"]["last4"]) == ("completed", "3155")
    assert provider("POST", path, {"confirmed": False}).json["state"] == "completed"

    asked = add(provider, customer, CHALLENGED_ALWAYS)
    path = f"/sandbox/challenges/{asked.json['challenge']}"
    answer = provider("POST", path, {"confirmed": False}).json
    assert (answer["state"], answer["payment_method"]) == ("failed", None)


def test_v10_a_challenge_waits_fifteen_minutes(provider, customer, world):
    """V10, F9"""
    asked = add(provider, customer, CHALLENGED_ONCE).json["challenge"]
    world.clock.advance(minutes=15)
    answer = provider("POST", f"/sandbox/challenges/{asked}", {"confirmed": True})
    assert (answer.status_code, answer.json["code"]) == (409, "challenge_over")
    unknown = provider("POST", "/sandbox/challenges/ask_1", {"confirmed": True})
    assert unknown.status_code == 404


@pytest.mark.parametrize(("confirmed", "state"), [(True, "paid"), (False, "failed")])
def test_v10_a_payment_is_concluded_by_the_customers_answer(
    provider, program, world, confirmed, state
):
    """V10, F4: the address of the payment's page names the challenge."""
    world.card(CHALLENGED_ALWAYS, auto_charge=True)
    failed = program.pay("/payments", {"amount": "30.00"}).json["payment"]
    paying = program.pay(f"/payments/{failed['id']}/retries")
    assert (paying.status_code, paying.json["state"]) == (202, "open")
    challenge = paying.json["authentication_url"].rpartition("/")[2]

    answer = provider("POST", f"/sandbox/challenges/{challenge}", {"confirmed": confirmed}).json

    assert (answer["account"], answer["payment"]) == (world.account_id, paying.json["id"])
    assert program.get(f"/payments/{paying.json['id']}").json["state"] == state


def test_v10_answers_are_scripted_for_the_next_charge(provider, program, world):
    """V10"""
    world.card(VISA)
    declines = {"kind": "decline", "decline_code": "insufficient_funds", "last4": "4242"}
    scripted = provider("POST", "/sandbox/answers", declines)
    assert (scripted.status_code, scripted.json) == (201, {**declines, "seconds": 0.0})
    provider("POST", "/sandbox/answers", {"kind": "slow", "last4": "1111"})
    answer = program.pay("/payments", {"amount": "30.00"})
    assert (answer.status_code, answer.json["decline_code"]) == (402, "insufficient_funds")

    assert provider("DELETE", "/sandbox/answers").status_code == 204
    assert world.books.next_answers() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "decline", "decline_code": "no_such_code"}, "decline_code"),
        ({"kind": "slow", "seconds": 31}, "seconds"),
        ({"kind": "slow", "seconds": "1"}, "seconds"),
        ({"kind": "slow", "last4": "42"}, "last4"),
        ({"kind": "explode"}, "kind"),
    ],
)
def test_v10_an_answer_that_the_bank_cannot_give_is_refused(provider, world, body, field):
    """V10"""
    answer = provider("POST", "/sandbox/answers", body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert world.books.next_answers() == []


def test_v10_the_clock_advances_and_never_goes_back(provider, world):
    """V10"""
    assert provider("POST", "/sandbox/clock", {"hours": 48}).json["seconds_ahead"] == 172_800
    assert provider("POST", "/sandbox/clock", {"seconds": 5}).json["seconds_ahead"] == 172_805
    assert provider("POST", "/sandbox/clock", {}).json["seconds_ahead"] == 172_805
    for body in ({"hours": -1}, {"seconds": 1.5}, {"hours": 8785}):
        assert provider("POST", "/sandbox/clock", body).status_code == 422
    for _ in range(20):
        last = provider("POST", "/sandbox/clock", {"hours": 8784})
    assert (last.status_code, last.json["code"]) == (409, "clock_at_its_end")
    assert world.books.clock_offset() < timedelta(days=20 * 366)


def test_v10_the_outbox_shows_invitations_and_receipts(provider, customer, client, world):
    """V10, V4: the link in the email lets the owner join."""
    [invitation] = provider.get("/sandbox/emails?to=ben@pier.example").json["emails"]
    assert (invitation["kind"], invitation["to"]) == ("invitation", "ben@pier.example")
    link = re.search(r"http\S+/invitations/\S+", invitation["text"])[0]
    assert client.get(link).status_code == 200

    add(provider, customer, VISA)
    provider("PUT", f"{customer}/sandbox/low-balance-settings", REFILL)
    world.work()
    page = provider.get("/sandbox/emails?account=external:cust-7&limit=1").json
    assert [it["kind"] for it in page["emails"]] == ["receipt"]
    assert "$100.00" in page["emails"][0]["subject"] + page["emails"][0]["text"]
    assert provider.get("/sandbox/emails?account=external:nobody").status_code == 404
    others = provider.get(f"/sandbox/emails?account={world.account_id}").json["emails"]
    assert page["emails"][0]["id"] not in [it["id"] for it in others]


def test_v10_emails_of_staff_are_not_shown(provider, world, client):
    """V10: a link in one would sign a program in as staff."""
    staff = "olu@provider.example"
    create_operator(world.ctx, name="Olu", email=staff, password=PASSWORD)
    customer = world.session.get_one(User, world.created.user_id).email
    for email in (staff, customer):
        client.post("/forgot-password", data={"email": email})
    shown = provider.get("/sandbox/emails").json["emails"]
    assert "reset_password" in [it["kind"] for it in shown]
    assert {it["to"] for it in shown} == {customer}
