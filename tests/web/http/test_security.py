"""Throttling, security headers, trusted proxies, metrics and logs."""

import logging
import re

import pytest

from tests.factories import PASSWORD, VISA, card_form
from tests.web.conftest import words
from webapp.domain.users import passwords, rate_limits
from webapp.domain.users.user import User
from webapp.processors.sandbox.card_form import token_for

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}
TLS = "https://billing.example.com"


@pytest.fixture
def email(world):
    return world.session.get(User, world.created.user_id).email


def sign_in(client, email, password="wrong", address="203.0.113.9", **more):
    return client.post(
        "/sign-in",
        data={"email": email, "password": password},
        environ_base={"REMOTE_ADDR": address},
        **more,
    )


def is_throttled(answer, minutes=None):
    """Check for 429 with a sentence that says when to try again, and Retry-After."""
    assert answer.status_code == 429, answer.status_code
    lines = re.search(r"Try again in (a minute|(\d+) minutes)\.", words(answer))
    assert lines, words(answer)
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    if minutes:
        assert lines[2] == str(minutes)
    return True


# Throttling


def test_guessing_a_password_is_throttled(app, email, world):
    """Ten tries per IP prefix; then even the right password waits."""
    guesser = app.test_client()
    for _ in range(rate_limits.SIGN_IN.times):
        assert sign_in(guesser, email).status_code == 422
    assert is_throttled(sign_in(guesser, email, PASSWORD), minutes=15)
    assert guesser.get(MAIN).status_code == 303
    world.clock.advance(minutes=15)
    assert sign_in(guesser, email, PASSWORD).status_code == 303


def test_an_attacker_cannot_lock_out_a_user(app, email):
    for _ in range(rate_limits.SIGN_IN.times + 1):
        sign_in(app.test_client(), email)
    assert sign_in(app.test_client(), email, PASSWORD, "198.51.100.7").status_code == 303


def test_signing_in_resets_the_count(app, email):
    for _ in range(3):
        for _ in range(rate_limits.SIGN_IN.times - 1):
            assert sign_in(app.test_client(), email).status_code == 422
        assert sign_in(app.test_client(), email, PASSWORD).status_code == 303


def test_guessing_at_reauthentication_is_throttled(app, world, sign_in):
    """Neither a code nor the password can be found by trying."""
    thief = sign_in(world.created.user_id)
    world.clock.wait(hours=1)
    method = world.card(VISA)
    path = f"/billing/payment-methods/{method.id}/removal"
    for _ in range(rate_limits.CODE.times):
        assert "Wrong password" in words(thief.post(path, data={"proof": "guess"}))
    refused = thief.post(path, data={"proof": PASSWORD})
    assert "Too many attempts. Try again in 15 minutes." in words(refused)
    assert len(world.methods) == 1
    world.clock.advance(minutes=15)
    assert thief.post(path, data={"proof": PASSWORD}).status_code == 303


def test_an_address_that_tries_many_people_is_throttled(app, world):
    for number in range(rate_limits.SIGN_IN_FROM.times):
        assert sign_in(app.test_client(), f"p{number}@example.com").status_code == 422
    assert is_throttled(sign_in(app.test_client(), "another@example.com"))


def test_unknown_emails_are_throttled_alike(app, email):
    """The limits do not reveal who has an account."""
    answers = []
    for address, line in ((email, "203.0.113.9"), ("nobody@example.com", "198.51.100.7")):
        tries = [sign_in(app.test_client(), address, address=line) for _ in range(12)]
        answers.append([(a.status_code, a.headers.get("Retry-After")) for a in tries])
    assert answers[0] == answers[1]


def test_an_unknown_email_costs_the_same_work(app, email, monkeypatch):
    """One hash is verified either way, so the time is equal."""
    checked = []
    right = passwords._hasher.verify

    class Counting:
        def verify(self, hashed, password):
            checked.append(hashed.split("$")[3])
            return right(hashed, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    sign_in(app.test_client(), email)
    sign_in(app.test_client(), "nobody@example.com")
    assert len(checked) == 2
    assert checked[0] == checked[1], "and it costs the same"


def add_card(client, world, headers=None):
    form = client.get(f"{MAIN}/cards/new", headers=HTMX).text
    state = form.split('name="state" value="')[1].split('"')[0]
    token = token_for(world.books, card_form(VISA), world.clock.now())
    return client.post(MAIN, data={"token": token, "state": state}, headers=headers or {})


def test_testing_stolen_cards_is_throttled(client, world):
    """M8: at most ten cards an hour per account."""
    for _ in range(rate_limits.CARD.times):
        assert add_card(client, world).status_code == 303
    assert is_throttled(add_card(client, world), minutes=60)
    assert is_throttled(add_card(client, world, HTMX))


def test_a_payment_can_be_retried_five_times_an_hour(client, world):
    """F4: a double click counts once, and a refused retry charges nothing."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    failed = world.attempts[-1].id

    def press(key):
        world.next_answer("decline", decline_code="insufficient_funds")
        path = f"/billing/attempts/{failed}/retries"
        return client.post(path, data={"request_key": key * 32})

    for key in "abcde":
        assert press(key).status_code == 303
        assert press(key).status_code == 303
    before = len(world.attempts)
    assert is_throttled(press("f"), minutes=60)
    assert len(world.attempts) == before


def test_guessing_api_keys_is_throttled(app, world):
    machine = app.test_client()

    def ask(key):
        headers = {"Authorization": f"Bearer {key}"}
        return machine.get("/api/v1/balance", headers=headers)

    for _ in range(rate_limits.KEY_FROM.times):
        assert ask("bk_guessed").status_code == 401
    refused = ask("bk_guessed")
    assert refused.status_code == 429
    assert refused.json["code"] == "too_many_requests"
    assert int(refused.headers["Retry-After"]) <= 60
    assert ask(world.created.api_key).status_code == 200, "whoever has a key is not kept waiting"


@pytest.mark.parametrize("environ", [{"RATE_LIMITS": "0"}])
def test_throttling_can_be_disabled_for_load_tests(app, email, environ):
    for _ in range(rate_limits.SIGN_IN.times + 1):
        assert sign_in(app.test_client(), email).status_code == 422


# Security headers


def test_common_responses_have_the_security_headers(client):
    for path in (MAIN, "/sign-in", "/nowhere", "/healthz", "/api/docs"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "data:" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers, "nobody may promise it without TLS"


def test_text_responses_name_their_character_set(app):
    """ASVS 4.1.1: including those for programs."""
    paths = ("/sign-in", "/nowhere", "/healthz", "/readyz", "/metrics")
    for path in paths:
        assert "charset=utf-8" in app.test_client().get(path).content_type, path


def test_trace_is_refused(client):
    """ASVS 13.4.4: TRACE would show scripts the headers that they must not see."""
    for path in (MAIN, "/sign-in", "/nowhere", "/healthz", "/api/v1/balance", "/static/x.js"):
        answer = client.open(path, method="TRACE", headers={"Cookie": "secret=1"})
        assert answer.status_code in (404, 405), path
        assert "secret" not in answer.text


def test_behind_tls_the_cookie_is_secure_and_hsts_is_sent(app, email):
    """Browsers then use TLS only."""
    answer = sign_in(app.test_client(), email, PASSWORD, base_url=TLS)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Secure" not in sign_in(app.test_client(), email, PASSWORD).headers["Set-Cookie"]


def test_forms_work_behind_tls_without_a_referrer(app, email):
    """The pages send no referrer, so forms cannot require one."""
    app.config["WTF_CSRF_ENABLED"] = True
    client = app.test_client()
    page = client.get("/sign-in", base_url=TLS).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    data = {"email": email, "password": PASSWORD, "csrf_token": token}
    assert client.post("/sign-in", data=data, base_url=TLS).status_code == 303


# Trusted proxies

FORWARDED = {
    "X-Forwarded-For": "192.0.2.66, 203.0.113.5",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "billing.example.com",
}


def seen_as(world):
    from webapp.domain.events.rows import EventRow

    world.session.rollback()
    return world.session.query(EventRow).order_by(EventRow.id.desc()).first().address


def test_forwarded_headers_are_ignored_by_default(app, world, email):
    """P2: a client cannot put another address into the audit log, or claim TLS."""
    answer = sign_in(app.test_client(), email, headers=FORWARDED)
    assert seen_as(world) == "203.0.113.9"
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("environ", [{"TRUSTED_PROXIES": "1"}])
def test_a_trusted_proxys_headers_are_used(app, world, email, environ):
    """P2: its own entry is the last one; entries before it are the client's claim."""
    answer = sign_in(app.test_client(), email, headers=FORWARDED)
    assert seen_as(world) == "203.0.113.5"
    assert "Strict-Transport-Security" in answer.headers


# Metrics


def test_metrics_are_served_to_this_host_only(app, world):
    visitor = app.test_client()
    assert visitor.get("/metrics").status_code == 200
    outside = {"REMOTE_ADDR": "203.0.113.9"}
    assert visitor.get("/metrics", environ_base=outside).status_code == 404
    # A request through an untrusted proxy on this host can come from anyone.
    assert visitor.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404


@pytest.mark.parametrize("environ", [{"METRICS_TOKEN": "k3y"}])
def test_metrics_are_served_with_a_token(app, world, environ):
    visitor = app.test_client()
    for headers, status in (
        ({"Authorization": "Bearer k3y"}, 200),
        ({"Authorization": "Bearer k3z"}, 404),
        ({"Authorization": "Bearer k\xe9y"}, 404),
        ({}, 404),
    ):
        assert visitor.get("/metrics", headers=headers).status_code == status


# Logs and sizes


def test_the_log_contains_only_ids_of_paths(app, client, caplog):
    """Tokens, queries and names would otherwise stay in the log for years."""

    @app.get("/broken/<int:number>/<word>")
    def broken(number, word):
        raise RuntimeError("planted")

    with caplog.at_level(logging.ERROR):
        assert client.get("/broken/7/ana@example.com?q=secret").status_code == 500
    line = next(r.getMessage() for r in caplog.records if "unhandled" in r.getMessage())
    assert line == "unhandled error at /broken/<int:number>/<word> number=7"


def test_security_refusals_are_logged(app, client, teammate, caplog):
    """ASVS 16.3: a missing right, an unknown key, too many tries, a form without its CSRF token."""
    technician = teammate("technical")
    machine = app.test_client()
    with caplog.at_level(logging.WARNING):
        technician.get(f"{MAIN}?q=secret")
        machine.get("/api/v1/balance", headers={"Authorization": "Bearer bk_guessed"})
        app.config["WTF_CSRF_ENABLED"] = True
        client.post("/settings/profile/name", data={"name": "secret"})
        client.get(MAIN)
        machine.get(MAIN)
    lines = [r.getMessage() for r in caplog.records if r.name == "webapp.web.http.refusal_log"]
    assert [re.sub(r"person \d+", "person N", line) for line in lines] == [
        f"GET {MAIN} was refused with 403: person N, address 127.0.0.1",
        "GET /api/v1/balance was refused with 401: person unknown, address 127.0.0.1",
        "POST /settings/profile/name was refused with 400: person N, address 127.0.0.1",
    ]


def test_a_failed_statement_shows_no_values(session):
    """The statement is enough to find the error, and values may be personal data."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError) as caught:
        session.execute(text("SELECT :name FROM nowhere"), {"name": "ana@example.com"})
    session.rollback()
    assert "ana@example.com" not in str(caught.value)


def test_a_too_large_body_is_refused(client):
    answer = client.post("/billing/low-balance-settings", data={"threshold": "1" * 3_000_000})
    assert answer.status_code == 413
    big = b'{"amount": "' + b"1" * 3_000_000
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    assert client.post("/api/v1/usage", data=big, headers=headers).status_code in (401, 413)
