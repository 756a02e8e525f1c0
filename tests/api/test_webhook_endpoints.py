"""Webhook endpoints by API: add, read, replace, switch, test and remove."""

import pytest

from webapp.domain.api_keys.api_key import Scope
from webapp.domain.webhooks.endpoint import Endpoint

ENDPOINTS = "/api/v1/webhook-endpoints"
REQUEST = {"url": "https://example.com/hooks", "events": ["payment.succeeded", "balance.low"]}


@pytest.fixture
def ask(app, world):
    key = world.key(Scope.BILLING_READ, Scope.BILLING_WRITE).key

    def ask(method, path="", key=key, base=ENDPOINTS, **sent):
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().open(f"{base}{path}", method=method, headers=headers, **sent)

    return ask


@pytest.fixture
def made(ask):
    return ask("POST", json=REQUEST).json


def test_an_endpoint_is_added_and_read(ask, world):
    answer = ask("POST", json=REQUEST)
    assert answer.status_code == 201
    assert answer.json["secret"] == world.session.query(Endpoint).one().secret
    read = ask("GET", f"/{answer.json['id']}")
    assert read.json == {
        "id": answer.json["id"],
        "url": "https://example.com/hooks",
        "name": "",
        "events": ["balance.low", "payment.succeeded"],
        "on": True,
        "ended": None,
        "failing_since": None,
        "created_at": "2026-11-22T10:00:00Z",
    }
    assert ask("GET").json == {"webhook_endpoints": [read.json]}
    assert answer.json["secret"] not in read.text


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({**REQUEST, "url": "http://example.com"}, "url"),
        ({**REQUEST, "url": "https://ana@example.com/"}, "url"),
        ({**REQUEST, "url": "https://example.com/#a"}, "url"),
        ({**REQUEST, "events": []}, "events"),
        ({**REQUEST, "events": ["test"]}, "events"),
        ({**REQUEST, "secret": "mine"}, "secret"),
        ({"url": REQUEST["url"]}, "events"),
    ],
)
def test_invalid_fields_are_reported_by_name(ask, world, sent, field):
    answer = ask("POST", json=sent)
    assert (answer.status_code, set(answer.json["errors"])) == (422, {field})
    assert world.session.query(Endpoint).count() == 0


def test_an_endpoint_is_replaced_and_switched(ask, made):
    path = f"/{made['id']}"
    replaced = ask("PUT", path, json={"url": "https://b.example.com/", "events": ["balance.low"]})
    assert (replaced.json["url"], replaced.json["events"]) == (
        "https://b.example.com/", ["balance.low"],
    )  # fmt: skip
    for on in (False, False, True):
        assert ask("PUT", f"{path}/state", json={"on": on}).json["on"] is on


def test_an_endpoints_secret_is_rotated(ask, made):
    rotated = ask("POST", f"/{made['id']}/secret-rotations")
    assert rotated.status_code == 201
    assert rotated.json["secret"] != made["secret"]


def test_a_test_event_is_sent_listed_and_resent(ask, made):
    path = f"/{made['id']}"
    sent = ask("POST", f"{path}/tests")
    assert (sent.status_code, sent.json["event"], sent.json["state"]) == (201, "test", "owed")
    listed = ask("GET", f"{path}/deliveries").json["deliveries"]
    assert [row["id"] for row in listed] == [sent.json["id"]]
    again = ask("POST", f"/{sent.json['id']}/resends", base="/api/v1/webhook-deliveries")
    assert again.json["message_id"] == sent.json["message_id"]
    ask("PUT", f"{path}/state", json={"on": False})
    assert ask("POST", f"{path}/tests").status_code == 409


def test_an_endpoint_is_removed(ask, made):
    assert ask("DELETE", f"/{made['id']}").status_code == 204
    assert ask("GET", f"/{made['id']}").status_code == 404
    assert ask("DELETE", f"/{made['id']}").status_code == 404


def test_an_account_has_at_most_ten_endpoints(ask):
    answers = [ask("POST", json=REQUEST) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [409]
    assert answers[-1].json["code"] == "too_many_endpoints"


def test_endpoints_need_their_scope_and_account(ask, made, world):
    """P1"""
    reader, other = world.key(Scope.BILLING_READ).key, world.account(name="Other Ltd").api_key
    one = f"/{made['id']}"
    assert ask("GET", one, key=reader).status_code == 200
    assert ask("DELETE", one, key=reader).status_code == 403
    assert ask("POST", key=reader, json=REQUEST).status_code == 403
    for method, path, sent in (
        ("GET", one, {}),
        ("GET", f"{one}/deliveries", {}),
        ("PUT", one, {"json": REQUEST}),
        ("PUT", f"{one}/state", {"json": {"on": False}}),
        ("POST", f"{one}/tests", {}),
        ("POST", f"{one}/secret-rotations", {}),
        ("DELETE", one, {}),
    ):
        assert ask(method, path, key=other, **sent).status_code == 404, (method, path)
    assert ask("GET", one).json["on"]
