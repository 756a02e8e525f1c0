"""Payments by API: list, read, Add Funds by the chain, and Retry."""

import pytest

from tests.factories import CHALLENGED_ALWAYS, DECLINING, MASTERCARD, VISA

PROBLEM = "application/problem+json"


@pytest.fixture
def chain(world):
    world.cards(DECLINING, VISA)
    return world


def test_l4_t7_funds_are_added_by_the_chain(program, chain):
    answer = program.pay("/payments", {"amount": "100.00"})

    assert (answer.status_code, answer.json["state"]) == (201, "paid")
    assert [
        (a["method_name"], a["state"], a["reason"], a["decline_code"])
        for a in answer.json["attempts"]
    ] == [
        ("Visa •••• 0341", "declined", "Declined by the bank", "generic_decline"),
        ("Visa •••• 4242", "paid", "", None),
    ]
    assert answer.headers["Location"].endswith(f"/api/v1/payments/{answer.json['id']}")
    assert program.get(f"/payments/{answer.json['id']}").json == answer.json
    assert chain.balance == "200.00"


def test_a_payment_that_every_method_declines_is_402_with_its_decline_code(program, world):
    world.cards(VISA, MASTERCARD)
    for code in ("do_not_honor", "insufficient_funds"):
        world.next_answer("decline", decline_code=code)
    answer = program.pay("/payments", {"amount": "100.00"})

    assert (answer.status_code, answer.mimetype) == (402, PROBLEM)
    assert answer.json["code"] == "payment_declined"
    assert answer.json["decline_code"] == "insufficient_funds"
    assert "Mastercard •••• 4444: Insufficient funds" in answer.json["detail"]
    payment = answer.json["payment"]
    assert (payment["state"], payment["amount"]) == ("failed", "100.00")
    assert [it["decline_code"] for it in payment["attempts"]] == [
        "do_not_honor",
        "insufficient_funds",
    ]
    assert program.get(f"/payments/{payment['id']}").json == payment
    assert world.balance == "100.00"


def test_a_repeat_of_a_declined_payment_gets_the_same_402_and_charges_nothing(program, world):
    world.cards(VISA)
    world.next_answer("decline", decline_code="insufficient_funds")
    first, again = (
        program.pay("/payments", {"amount": "100.00"}, Idempotency_Key="november") for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (402, 402)
    assert (again.json, again.mimetype) == (first.json, PROBLEM)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert world.tries == [("4242", "100.00", "declined")]

    path = f"/payments/{first.json['payment']['id']}/retries"
    world.next_answer("decline", decline_code="expired_card")
    retried, once_more = (program.pay(path, Idempotency_Key="retry") for _ in range(2))
    assert (retried.status_code, retried.json["decline_code"]) == (402, "expired_card")
    assert once_more.json == retried.json
    assert len(world.tries) == 2


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent"])
def test_f12_the_decline_code_of_a_suspected_card_is_call_issuer(program, world, code):
    world.cards(VISA)
    world.next_answer("decline", decline_code=code)
    answer = program.pay("/payments", {"amount": "100.00"})
    assert answer.json["decline_code"] == "call_issuer"
    assert code not in answer.text


@pytest.mark.parametrize("path", ["/payments", "/payments/1/retries"])
def test_a_payment_without_an_idempotency_key_is_refused(program, chain, path):
    answer = program("POST", path, {"amount": "100.00"})
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_required")
    assert chain.attempts == []


def test_an_unknown_outcome_is_open(program, world):
    world.cards(VISA)
    world.next_answer("timeout_after_charge")

    answer = program.pay("/payments", {"amount": "100.00"})
    assert (answer.status_code, answer.json["state"]) == (202, "open")

    world.pass_time(seconds=11)
    assert program.get(f"/payments/{answer.json['id']}").json["state"] == "paid"


@pytest.mark.parametrize("amount", ["29.99", "10000.01", "100.001", "0", "-30.00", 100, None])
def test_l4_an_amount_out_of_bounds_is_refused(program, chain, amount):
    answer = program.pay("/payments", {"amount": amount})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["amount"])
    assert chain.attempts == []


def test_t5_without_consent_no_method_is_charged(program, world):
    world.card(VISA, auto_charge=False)
    answer = program.pay("/payments", {"amount": "100.00"})
    assert (answer.status_code, answer.json["code"]) == (409, "no_method_with_auto_charge")


def test_f4_a_failed_payment_is_retried_with_the_same_method(program, world):
    world.cards(VISA)
    world.next_answer("decline", decline_code="insufficient_funds")
    failed = program.pay("/payments", {"amount": "100.00"}).json["payment"]

    again = program.pay(f"/payments/{failed['id']}/retries")

    assert (again.status_code, again.json["state"], again.json["kind"]) == (201, "paid", "retry")
    assert world.balance == "200.00"
    [method] = program.get("/payment-methods").json["payment_methods"]
    assert method["status"] == "ready"
    once_more = program.pay(f"/payments/{failed['id']}/retries", {})
    assert (once_more.status_code, once_more.json["code"]) == (409, "already_paid")


def test_f4_the_attempt_to_retry_can_be_named(program, world):
    world.cards(VISA, MASTERCARD)
    for _ in range(2):
        world.next_answer("decline", decline_code="insufficient_funds")
    failed = program.pay("/payments", {"amount": "100.00"}).json["payment"]
    first = failed["attempts"][0]["id"]

    again = program.pay(f"/payments/{failed['id']}/retries", {"attempt": first})
    assert again.json["attempts"][0]["method_name"] == "Visa •••• 4242"


def test_only_a_failed_attempt_of_this_payment_is_retried(program, chain):
    paid = program.pay("/payments", {"amount": "100.00"}).json
    for body in ({"attempt": paid["attempts"][1]["id"]}, {"attempt": 999}):
        answer = program.pay(f"/payments/{paid['id']}/retries", body)
        assert (answer.status_code, answer.json["code"]) == (409, "not_failed")


def test_f4_a_challenge_returns_its_authentication_url(program, world):
    world.cards(CHALLENGED_ALWAYS)
    failed = program.pay("/payments", {"amount": "100.00"}).json["payment"]
    assert failed["authentication_url"] is None

    asked = program.pay(f"/payments/{failed['id']}/retries").json

    assert asked["state"] == "open"
    assert asked["attempts"][0]["state"] == "challenged"
    assert asked["authentication_url"].startswith("http://")
    world.bank(asked["authentication_url"])
    world.pass_time(minutes=16)
    assert program.get(f"/payments/{asked['id']}").json["state"] == "paid"


def test_an_adjustment_is_listed_as_a_payment(program):
    [opening] = program.get("/payments").json["payments"]
    payment = program.get(f"/payments/{opening['id']}").json
    assert (payment["kind"], payment["state"], payment["amount"]) == (
        "adjustment",
        "paid",
        "100.00",
    )
    assert payment["authentication_url"] is None


def test_payments_are_listed_newest_first_in_pages(program, chain):
    made = [program.pay("/payments", {"amount": f"{n}0.00"}).json["id"] for n in (3, 4, 5)]
    found, cursor = [], ""
    for _ in range(3):
        page = program.get(f"/payments?limit=1&kind=auto_charge{cursor}").json
        found += [payment["id"] for payment in page["payments"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert found == list(reversed(made))
    assert page["next_cursor"] is None


def test_the_list_can_be_filtered(program, chain):
    paid = program.pay("/payments", {"amount": "30.00"}).json
    chain.clock.advance(hours=1)
    chain.next_answer("decline", decline_code="do_not_honor")
    failed = program.pay("/payments", {"amount": "40.00"}).json["payment"]

    def listed(query):
        return [payment["id"] for payment in program.get(f"/payments?{query}").json["payments"]]

    assert listed("state=failed") == [failed["id"]]
    assert listed("kind=auto_charge&since=2026-11-22T10:30:00Z") == [failed["id"]]
    assert listed("kind=auto_charge&until=2026-11-22T10:30:00Z") == [paid["id"]]
    assert listed("state=abandoned") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=", "cursor"),
        ("state=gone", "state"),
        ("since=yesterday", "since"),
        ("since=2026-11-22T10:00:00", "since"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_an_invalid_parameter_is_reported_by_name(program, query, field):
    answer = program.get(f"/payments?{query}")
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


def test_p1_another_accounts_payment_is_not_found(program, stranger, chain):
    paid = program.pay("/payments", {"amount": "30.00"}).json["id"]
    assert stranger.get(f"/payments/{paid}").status_code == 404
    assert stranger.pay(f"/payments/{paid}/retries").status_code == 404
    assert paid not in [payment["id"] for payment in stranger.get("/payments").json["payments"]]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("state=PAID", "Must be 'open', 'paid', 'failed' or 'abandoned'"),
        ("cursor=0", "Must be the next_cursor of the previous page"),
        ("limit=101", "Must be a whole number from 1 to 100"),
        ("since=x", "Must be a date and time"),
        ("before=1", "Unknown field"),
    ],
)
def test_a_bad_filter_is_explained(program, query, sentence):
    answer = program.get(f"/payments?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][query.partition("=")[0]].startswith(sentence)


def test_a_flood_of_unknown_fields_is_refused_at_once(program):
    answer = program.pay("/payments", {f"field_{n}": n for n in range(10_000)})
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["body"]
