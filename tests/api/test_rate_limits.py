"""Rates: told in every answer, and what is too much is refused in the interface's own form."""

import pytest

from webapp.api.http.rate_limits import RATES, Rates


@pytest.fixture
def environ():
    return {"API_REQUESTS_PER_MINUTE": "2", "API_USAGE_PER_MINUTE": "3"}


@pytest.fixture(autouse=True)
def seconds(app):
    """A minute that passes when it is told to."""
    now = [1000.0]
    app.extensions[RATES] = Rates(clock=lambda: now[0])
    return now


def test_what_is_left_is_told_and_too_much_refused(program, seconds):
    told = [program.get("/balance").headers["RateLimit"] for _ in range(2)]
    assert told == ['"requests";r=1;t=60', '"requests";r=0;t=60']
    seconds[0] += 20

    refused = program.get("/balance")

    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert refused.json["code"] == "too_many_requests"
    assert refused.headers["Retry-After"] == "40"
    assert refused.headers["RateLimit-Policy"] == '"requests";q=2;w=60'
    seconds[0] += 40
    assert program.get("/balance").status_code == 200


def test_usage_is_counted_apart(program):
    for n in range(3):
        sent = {"amount": "1.00", "reference": f"call-{n}"}
        assert program("POST", "/usage", sent).status_code == 201
    assert program("POST", "/usage", {"amount": "1.00", "reference": "x"}).status_code == 429
    assert program.get("/balance").status_code == 200


def test_each_key_has_its_own(program, stranger):
    for _ in range(3):
        program.get("/balance")
    assert stranger.get("/balance").status_code == 200


def test_v3_refuses_in_its_form(app, world):
    client, headers = app.test_client(), {"Api-Key": world.created.api_key}
    for _ in range(2):
        assert client.get("/v3/balance", headers=headers).status_code == 200
    refused = client.get("/v3/balance", headers=headers)

    assert (refused.status_code, refused.mimetype) == (429, "application/vnd.api+json")
    assert refused.json["errors"][0]["status"] == "429"
    assert refused.headers["Retry-After"] == "60"


def test_keys_that_nobody_knows_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("webapp.api.http.rate_limits.MOST_KEYS", 10)
    rates = Rates()
    for n in range(100):
        rates.count(("requests", f"wrong-{n}"), 5)
    assert len(rates.windows) <= 10
