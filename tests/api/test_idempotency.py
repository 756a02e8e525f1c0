"""`Idempotency-Key`: repeats get the same response and have one effect, also after a crash."""

import pytest
from sqlalchemy import text

from tests.factories import VISA
from webapp.actions.api_keys.idempotency import delete_old_answers

KEY = {"Idempotency_Key": "order-77"}
ONE = {"amount": "12.34", "reference": "call-981"}


def test_a_repeated_request_gets_the_same_response(program, world):
    first = program("POST", "/usage", ONE, **KEY)
    world.use("1.00")
    again = program("POST", "/usage", ONE, **KEY)

    assert (first.status_code, first.json["status"]) == (201, "posted")
    assert (again.status_code, again.json) == (201, first.json)
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (
        None,
        "true",
    )
    assert world.balance == "86.66"


def test_a_different_request_with_the_same_key_is_refused(program, world):
    world.card(VISA)
    program("POST", "/usage", ONE, **KEY)
    for path, body in [("/usage", ONE | {"amount": "1.00"}), ("/payments", {"amount": "30.00"})]:
        answer = program("POST", path, body, **KEY)
        assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")
    assert world.balance == "87.66"


def test_idempotency_keys_are_separate_per_account(program, stranger, world):
    program("POST", "/usage", ONE, **KEY)
    other = stranger("POST", "/usage", ONE, **KEY)
    assert (other.status_code, other.json["balance"]) == (201, "487.66")


def test_a_payment_is_made_once(program, world):
    world.card(VISA)
    first = program("POST", "/payments", {"amount": "100.00"}, **KEY)
    again = program("POST", "/payments", {"amount": "100.00"}, **KEY)

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert world.charges == [("4242", "100.00")]


@pytest.mark.parametrize("cut", ["before", "after"])
def test_l3_a_crash_between_effect_and_response_charges_once(program, world, monkeypatch, cut):
    world.card(VISA)
    posts = [("/usage", ONE), ("/payments", {"amount": "100.00"})]

    def crash(*args, **options):
        raise SystemExit

    function = "keep_answer" if cut == "after" else "release_request"
    for n, (path, body) in enumerate(posts):
        with monkeypatch.context() as broken:
            broken.setattr(f"webapp.api.http.idempotency.{function}", crash)
            if cut == "before":
                broken.setattr("webapp.api.http.resource._rendered", crash)
            with pytest.raises(SystemExit):
                program("POST", path, body, Idempotency_Key=f"key-{n}")
        running = program("POST", path, body, Idempotency_Key=f"key-{n}")
        assert (running.status_code, running.json["code"]) == (409, "idempotency_in_progress")
        other = program("POST", path, body | {"amount": "31.00"}, Idempotency_Key=f"key-{n}")
        assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")

    world.clock.advance(minutes=3)
    repeated = [program("POST", p, b, Idempotency_Key=f"key-{n}") for n, (p, b) in enumerate(posts)]

    assert [response.status_code for response in repeated] == [201, 201]
    assert repeated[1].json["state"] == "paid"
    assert world.charges == [("4242", "100.00")]
    assert world.balance == "187.66"


def test_a_refused_request_does_not_use_its_key(program, world):
    refused = program("POST", "/usage", ONE | {"amount": "0"}, **KEY)
    assert refused.status_code == 422
    none = program("POST", "/payments", {"amount": "30.00"}, **KEY)
    assert (none.status_code, none.json["code"]) == (409, "no_method_with_auto_charge")
    assert program("POST", "/usage", ONE, **KEY).status_code == 201


def test_a_key_is_kept_for_a_day(program, world):
    program("POST", "/usage", ONE, **KEY)
    world.clock.advance(hours=23)
    assert delete_old_answers(world.ctx) == 0
    world.clock.advance(hours=2)
    # Expiry depends on the clock, not on the cleanup job.
    assert program("POST", "/usage", ONE | {"reference": "call-2"}, **KEY).status_code == 201
    world.clock.advance(hours=25)
    assert delete_old_answers(world.ctx) == 1


@pytest.mark.parametrize("key", ["", "a b", "k" * 201, "ключ"])
def test_an_invalid_idempotency_key_is_rejected(program, key):
    answer = program("POST", "/usage", ONE, Idempotency_Key=key)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["Idempotency-Key"])


def test_p1_nothing_is_replayed_without_a_valid_api_key(app, program):
    program("POST", "/usage", ONE, **KEY)
    answer = app.test_client().post(
        "/api/v1/usage",
        json=ONE,
        headers={"Authorization": "Bearer bk_wrong", "Idempotency-Key": "order-77"},
    )
    assert answer.status_code == 401


def test_an_answer_with_a_secret_is_not_kept(world, provider):
    """V8: a copy of the database contains no link and no signing secret."""
    path = f"/accounts/{world.account_id}/portal-sessions"
    sent = {"role": "billing", "return_url": "https://portal.example.com/"}
    made = provider("POST", path, sent, Idempotency_Key="portal-1")
    assert made.status_code == 201
    token = made.json["url"].rpartition("/")[2]
    again = provider("POST", path, sent, Idempotency_Key="portal-1")
    assert (again.status_code, again.json["code"]) == (409, "answer_not_kept")
    endpoint = {"url": "https://hooks.example.com/in", "events": ["balance.exhausted"]}
    added = provider("POST", "/webhook-endpoints", endpoint, Idempotency_Key="hook-1")
    secret = added.json["secret"]
    world.session.rollback()
    kept = str(world.session.execute(text("SELECT * FROM idempotency_key")).all())
    assert token not in kept
    assert secret not in kept
