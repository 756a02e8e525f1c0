"""Rate limits: reported in every response; excess requests get the API version's own error."""

import pytest

from webapp.api.http.rate_limits import RATES, Rates


@pytest.fixture
def environ():
    return {"API_REQUESTS_PER_MINUTE": "2", "API_USAGE_PER_MINUTE": "3"}


@pytest.fixture(autouse=True)
def seconds(app):
    """The rate limiter's clock, which a test can advance."""
    now = [1000.0]
    app.extensions[RATES] = Rates(clock=lambda: now[0])
    return now


def test_the_remaining_requests_are_reported_and_excess_ones_refused(program, seconds):
    limits = [program.get("/balance").headers["RateLimit"] for _ in range(2)]
    assert limits == ['"requests";r=1;t=60', '"requests";r=0;t=60']
    seconds[0] += 20

    refused = program.get("/balance")

    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert refused.json["code"] == "too_many_requests"
    assert refused.headers["Retry-After"] == "40"
    assert refused.headers["RateLimit-Policy"] == '"requests";q=2;w=60'
    seconds[0] += 40
    assert program.get("/balance").status_code == 200


def test_usage_has_a_separate_limit(program):
    for n in range(3):
        sent = {"amount": "1.00", "reference": f"call-{n}"}
        assert program("POST", "/usage", sent).status_code == 201
    assert program("POST", "/usage", {"amount": "1.00", "reference": "x"}).status_code == 429
    assert program.get("/balance").status_code == 200


def test_each_key_has_its_own_limit(program, stranger):
    for _ in range(3):
        program.get("/balance")
    assert stranger.get("/balance").status_code == 200


def test_v3_refuses_with_a_json_api_error(app, world):
    client, headers = app.test_client(), {"Api-Key": world.created.api_key}
    for _ in range(2):
        assert client.get("/v3/balance", headers=headers).status_code == 200
    refused = client.get("/v3/balance", headers=headers)

    assert (refused.status_code, refused.mimetype) == (429, "application/vnd.api+json")
    assert refused.json["errors"][0]["status"] == "429"
    assert refused.headers["Retry-After"] == "60"


def test_unknown_keys_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("webapp.api.http.rate_limits.MOST_KEYS", 10)
    rates = Rates()
    for n in range(100):
        rates.count(("requests", f"wrong-{n}"), 5)
    assert len(rates.windows) <= 10
