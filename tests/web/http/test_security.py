"""The walls: what may not be tried often, what a browser is told, whom we believe."""

import logging
import re

import pytest

from tests.factories import PASSWORD, VISA, card_form
from tests.web.conftest import words
from webapp.domain.users import passwords, rate_limits
from webapp.domain.users.user import User
from webapp.processors.sandbox.form import token_for

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


def is_told(answer, minutes=None):
    """429, with a sentence that says when again, and the same for machines."""
    assert answer.status_code == 429, answer.status_code
    said = re.search(r"Try again in (a minute|(\d+) minutes)\.", words(answer))
    assert said, words(answer)
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    if minutes:
        assert said[2] == str(minutes)
    return True


# Throttling


def test_guessing_a_password(app, email, world):
    """Ten from one line; then the right one does not help either, until it is time."""
    guesser = app.test_client()
    for _ in range(rate_limits.SIGN_IN.times):
        assert sign_in(guesser, email).status_code == 422
    assert is_told(sign_in(guesser, email, PASSWORD), minutes=15)
    assert guesser.get(MAIN).status_code == 303
    world.clock.advance(minutes=15)
    assert sign_in(guesser, email, PASSWORD).status_code == 303


def test_nobody_can_lock_out_somebody_else(app, email):
    for _ in range(rate_limits.SIGN_IN.times + 1):
        sign_in(app.test_client(), email)
    assert sign_in(app.test_client(), email, PASSWORD, "198.51.100.7").status_code == 303


def test_who_knows_it_in_the_end_starts_afresh(app, email):
    for _ in range(3):
        for _ in range(rate_limits.SIGN_IN.times - 1):
            assert sign_in(app.test_client(), email).status_code == 422
        assert sign_in(app.test_client(), email, PASSWORD).status_code == 303


def test_guessing_at_the_second_step(app, world, sign_in):
    """Neither a code nor, once more, the password can be tried through."""
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


def test_one_line_that_tries_many_people(app, world):
    for number in range(rate_limits.SIGN_IN_FROM.times):
        assert sign_in(app.test_client(), f"p{number}@example.com").status_code == 422
    assert is_told(sign_in(app.test_client(), "another@example.com"))


def test_unknown_addresses_are_throttled_alike(app, email):
    """Nobody learns from the limits either who has an account here."""
    answers = []
    for address, line in ((email, "203.0.113.9"), ("nobody@example.com", "198.51.100.7")):
        tries = [sign_in(app.test_client(), address, address=line) for _ in range(12)]
        answers.append([(a.status_code, a.headers.get("Retry-After")) for a in tries])
    assert answers[0] == answers[1]


def test_as_much_work_for_an_unknown_address(app, email, monkeypatch):
    """Equal time comes of equal work: one hash is checked, known or not."""
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


def test_testing_stolen_cards(client, world):
    """M8, and no more than ten an hour of one account."""
    for _ in range(rate_limits.CARD.times):
        assert add_card(client, world).status_code == 303
    assert is_told(add_card(client, world), minutes=60)
    assert is_told(add_card(client, world, HTMX))


def test_retry_five_an_hour(client, world):
    """F4: a double click is one try, and what is refused charges nothing."""
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
    assert is_told(press("f"), minutes=60)
    assert len(world.attempts) == before


def test_guessing_api_keys(app, world):
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
def test_a_load_test_can_do_without(app, email, environ):
    for _ in range(rate_limits.SIGN_IN.times + 1):
        assert sign_in(app.test_client(), email).status_code == 422


# What a browser is told


def test_every_answer_has_its_walls(client):
    for path in (MAIN, "/sign-in", "/nowhere", "/healthz", "/api/v1/balance"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers, "nobody may promise it without TLS"


def test_text_says_how_it_is_written(app):
    """ASVS 4.1.1: what is text names its character set, also where a machine asks."""
    paths = ("/sign-in", "/nowhere", "/healthz", "/readyz", "/metrics")
    for path in paths:
        assert "charset=utf-8" in app.test_client().get(path).content_type, path


def test_a_request_is_not_sent_back(client):
    """ASVS 13.4.4: TRACE would show a script the headers that it must not see."""
    for path in (MAIN, "/sign-in", "/nowhere", "/healthz", "/api/v1/balance", "/static/x.js"):
        answer = client.open(path, method="TRACE", headers={"Cookie": "secret=1"})
        assert answer.status_code in (404, 405), path
        assert "secret" not in answer.text


def test_behind_tls(app, email):
    """The cookie goes out over nothing else, and the browser remembers that."""
    answer = sign_in(app.test_client(), email, PASSWORD, base_url=TLS)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Secure" not in sign_in(app.test_client(), email, PASSWORD).headers["Set-Cookie"]


def test_forms_work_behind_tls(app, email):
    """Our pages send no referrer, so none may be asked for."""
    app.config["WTF_CSRF_ENABLED"] = True
    client = app.test_client()
    page = client.get("/sign-in", base_url=TLS).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    data = {"email": email, "password": PASSWORD, "csrf_token": token}
    assert client.post("/sign-in", data=data, base_url=TLS).status_code == 303


# Whom we believe

FORWARDED = {
    "X-Forwarded-For": "192.0.2.66, 203.0.113.5",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "billing.example.com",
}


def seen_as(world):
    from webapp.domain.accounts.audit import AuditEntry

    world.session.rollback()
    return world.session.query(AuditEntry).order_by(AuditEntry.id.desc()).first().address


def test_hearsay_is_not_believed(app, world, email):
    """P2: by default nobody can write another address into the audit log, or claim TLS."""
    answer = sign_in(app.test_client(), email, headers=FORWARDED)
    assert seen_as(world) == "203.0.113.9"
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("environ", [{"TRUSTED_PROXIES": "1"}])
def test_our_own_proxy_is(app, world, email, environ):
    """P2: its own entry is the last one; what stands before it is the client's hearsay."""
    answer = sign_in(app.test_client(), email, headers=FORWARDED)
    assert seen_as(world) == "203.0.113.5"
    assert "Strict-Transport-Security" in answer.headers


# Metrics


def test_metrics_are_for_this_host(app, world):
    visitor = app.test_client()
    assert visitor.get("/metrics").status_code == 200
    outside = {"REMOTE_ADDR": "203.0.113.9"}
    assert visitor.get("/metrics", environ_base=outside).status_code == 404
    # A proxy on this host that is not believed speaks for anybody.
    assert visitor.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404


@pytest.mark.parametrize("environ", [{"METRICS_TOKEN": "k3y"}])
def test_metrics_by_token(app, world, environ):
    visitor = app.test_client()
    for headers, status in (
        ({"Authorization": "Bearer k3y"}, 200),
        ({"Authorization": "Bearer k3z"}, 404),
        ({"Authorization": "Bearer k\xe9y"}, 404),
        ({}, 404),
    ):
        assert visitor.get("/metrics", headers=headers).status_code == status


# Logs and sizes


def test_the_log_names_places_by_ids_only(app, client, caplog):
    """A link's token, a query or a person's name would stay in it for years."""

    @app.get("/broken/<int:number>/<word>")
    def broken(number, word):
        raise RuntimeError("planted")

    with caplog.at_level(logging.ERROR):
        assert client.get("/broken/7/ana@example.com?q=secret").status_code == 500
    line = next(r.getMessage() for r in caplog.records if "unhandled" in r.getMessage())
    assert line == "unhandled error at /broken/<int:number>/<word> number=7"


def test_what_is_refused_for_security_is_logged(app, client, teammate, caplog):
    """ASVS 16.3: a missing right, an unknown key, too many tries, a form without its token."""
    technician = teammate("technical")
    machine = app.test_client()
    with caplog.at_level(logging.WARNING):
        technician.get(f"{MAIN}?q=secret")
        machine.get("/api/v1/balance", headers={"Authorization": "Bearer bk_guessed"})
        app.config["WTF_CSRF_ENABLED"] = True
        client.post("/settings/profile/name", data={"name": "secret"})
        client.get(MAIN)
        machine.get(MAIN)
    said = [r.getMessage() for r in caplog.records if r.name == "webapp.web.http.refusal_log"]
    assert [re.sub(r"person \d+", "person N", line) for line in said] == [
        f"GET {MAIN} was refused with 403: person N, address 127.0.0.1",
        "GET /api/v1/balance was refused with 401: person unknown, address 127.0.0.1",
        "POST /settings/profile/name was refused with 400: person N, address 127.0.0.1",
    ]


def test_a_statement_that_fails_shows_no_values(session):
    """Of people: what a statement was is enough to find a fault."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError) as caught:
        session.execute(text("SELECT :name FROM nowhere"), {"name": "ana@example.com"})
    session.rollback()
    assert "ana@example.com" not in str(caught.value)


def test_a_body_that_is_too_large(client):
    answer = client.post("/billing/low-balance-settings", data={"threshold": "1" * 3_000_000})
    assert answer.status_code == 413
    big = b'{"amount": "' + b"1" * 3_000_000
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    assert client.post("/api/v1/usage", data=big, headers=headers).status_code in (401, 413)
