"""The balance in both API versions, and unknown routes."""

import logging

import pytest

from webapp.request_ids import LOG_FORMAT, AddRequestId

PROBLEM = "application/problem+json"
JSON_API = "application/vnd.api+json"


@pytest.fixture
def machine(app):
    return app.test_client()


@pytest.fixture
def bearer(world):
    return {"Authorization": f"Bearer {world.created.api_key}"}


@pytest.fixture
def api_key(world):
    return {"Api-Key": world.created.api_key}


# /api/v1


def test_the_balance_is_an_exact_decimal_string(machine, bearer, world):
    world.use("0.123456")
    answer = machine.get("/api/v1/balance", headers=bearer)

    assert answer.status_code == 200
    assert answer.json == {
        "account": world.account_id,
        "external_id": None,
        "balance": "99.876544",
        "currency": "USD",
        "held": "0.00",
        "available": "99.876544",
    }
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_negative_balance_has_a_minus_sign(machine, bearer, world):
    world.use("100.50")
    assert machine.get("/api/v1/balance", headers=bearer).json["balance"] == "-0.50"


def test_without_a_key_the_balance_is_unauthorized(machine, api_key):
    for headers in ({}, api_key):
        answer = machine.get("/api/v1/balance", headers=headers)
        assert (answer.status_code, answer.mimetype) == (401, PROBLEM)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Ballast API"'


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_an_unknown_route_returns_a_problem_and_no_page(machine, method):
    for path in ("", "/", "/nothing", "/usage/", "/usage/1", "/a/b"):
        answer = machine.open(f"/api/v1{path}", method=method)
        assert (answer.status_code, answer.mimetype) == (404, PROBLEM)
        assert answer.json["status"] == 404


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v2/usage", "/api/v1/holds/a%0Ab", "/api//v1", "/api/docs/x"]
)
def test_every_path_under_api_returns_a_problem(machine, bearer, path):
    answer = machine.get(path, headers=bearer)
    assert (answer.status_code, answer.mimetype) == (404, PROBLEM)
    assert answer.json["code"] == "not_found"


def test_a_problem_links_to_its_code_on_the_reference_page(machine):
    problem = machine.get("/api/v1/balance").json
    page, _, anchor = problem["type"].partition("#")
    assert f'id="{anchor}"' in machine.get(page).text


def test_every_answer_has_the_requests_id(machine, bearer):
    sent = bearer | {"X-Request-Id": "trace/4711:a"}
    for path, headers in [("/api/v1/balance", sent), ("/sign-in", sent), ("/v3/balance", sent)]:
        assert machine.get(path, headers=headers).headers["X-Request-Id"] == "trace/4711:a"
    unknown = machine.get("/api/v1/nothing", headers=sent)
    assert unknown.json["request_id"] == "trace/4711:a"
    made = {machine.get("/api/v1/balance", headers=bearer).headers["X-Request-Id"] for _ in "ab"}
    assert len(made) == 2


@pytest.mark.parametrize("id_", ["", "a b", "é", "x" * 101, "a;b"])
def test_an_id_that_could_forge_a_line_of_the_log_is_replaced(machine, id_):
    answer = machine.get("/api/v1/nothing", headers={"X-Request-Id": id_})
    assert answer.headers["X-Request-Id"] == answer.json["request_id"] != id_
    assert answer.json["request_id"].isalnum()


def test_the_log_names_the_request(machine, caplog):
    caplog.handler.addFilter(AddRequestId())
    caplog.handler.setFormatter(logging.Formatter(LOG_FORMAT))
    machine.get("/api/v1/balance", headers={"X-Request-Id": "trace-1"})
    assert "[trace-1] GET /api/v1/balance was refused with 401" in caplog.text
    logging.getLogger("webapp").warning("outside")
    assert "webapp outside" in caplog.text


def test_answers_for_programs_lack_the_policies_of_pages(machine, bearer):
    answer = machine.get("/api/v1/balance", headers=bearer)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("Content-Security-Policy", "Permissions-Policy", "X-Frame-Options"):
        assert name not in answer.headers
        assert name in machine.get("/api/docs").headers


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/api/v1/usage", "GET", {"POST"}),
        ("/api/v1/usage", "DELETE", {"POST"}),
        ("/api/v1/usage", "BREW", {"POST"}),
        ("/api/v1/balance", "POST", {"GET", "HEAD"}),
        ("/api/v1/balance", "PATCH", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_refused_with_the_allowed_ones(machine, path, method, allowed):
    answer = machine.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (405, PROBLEM)
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_head_is_handled_like_get(machine, bearer):
    assert machine.head("/api/v1/balance", headers=bearer).status_code == 200


# /v3


def test_v3_matches_the_format_of_the_public_clients(machine, api_key, world):
    world.use("0.5")
    answer = machine.get("/v3/balance", headers={**api_key, "Accept": JSON_API})

    assert (answer.status_code, answer.mimetype) == (200, JSON_API)
    assert answer.json == {
        "data": {
            "id": str(world.account_id),
            "type": "balances",
            "attributes": {"balance": "99.50", "credit": "0.00", "total_balance": "99.50"},
        }
    }


@pytest.mark.parametrize("headers", [{}, {"Api-Key": ""}, {"Api-Key": "bk_wrong"}])
def test_v3_without_a_known_key_is_a_json_api_error(machine, headers):
    answer = machine.get("/v3/balance", headers=headers)

    assert (answer.status_code, answer.mimetype) == (401, JSON_API)
    [error] = answer.json["errors"]
    assert (error["status"], error["title"]) == ("401", "Unauthorized")
    assert error["detail"]
    assert answer.headers["WWW-Authenticate"]


def test_v3_rejects_a_bearer_token(machine, bearer):
    assert machine.get("/v3/balance", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v3", "GET", 404),
        ("/v3/dids", "GET", 404),
        ("/v3/balance/1", "GET", 404),
        ("/v3/balance", "POST", 405),
    ],
)
def test_v3_returns_json_api_errors_for_unknown_routes(machine, path, method, status):
    answer = machine.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, JSON_API)
    assert answer.json["errors"][0]["status"] == str(status)


def test_v3_hides_the_details_of_an_internal_error(machine, api_key, monkeypatch):
    monkeypatch.setattr("webapp.api.v3.decimal_text", lambda micros: 1 / 0)
    answer = machine.get("/v3/balance", headers=api_key)

    assert (answer.status_code, answer.mimetype) == (500, JSON_API)
    assert "division" not in answer.text


def test_balances_that_have_changed_are_listed_in_pages(world, provider):
    """V1: a provider follows all balances without asking for each account."""
    others = [world.account(name=f"Pier {n}", balance="5.00").account_id for n in range(3)]
    world.clock.advance(hours=1)
    since = f"{world.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    world.use("12.50")
    changed = provider.get(f"/balances?changed_since={since}").json
    assert [(it["account"], it["balance"]) for it in changed["balances"]] == [
        (world.account_id, "87.50")
    ]
    seen, cursor = [], ""
    while cursor is not None:
        page = provider.get(f"/balances?limit=2{cursor and f'&cursor={cursor}'}").json
        seen += [it["account"] for it in page["balances"]]
        cursor = page["next_cursor"]
    assert seen == [*reversed(others), world.account_id]
