"""Fail-over with two servers and a pooler: after the primary dies, every acknowledged record exists
once (L12).

`make chaos DATABASE=postgres-ha` and `DATABASE=postgres-pgbouncer` repeat this under load.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.conftest import NOT_TRIED, migrate, settings_in
from tests.postgres.bouncer import bouncer
from tests.postgres.cluster import cluster
from tests.postgres.server import NoServer
from webapp.app import create_app, engine_options
from webapp.background.notify_listener import listen
from webapp.database.advisory_locks import claim
from webapp.database.engine import tune
from webapp.database.pooler import POOLED
from webapp.extensions import db

pytestmark = pytest.mark.postgres

NAME = "ballast"
PATIENCE = 30
"""Seconds until the new primary is used; usually about one."""

PASSWORD = ("--password", "keep-it-afloat-at-sea")
ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture(scope="module")
def servers():
    try:
        with cluster() as servers:
            yield servers
    except NoServer as reason:
        pytest.skip(f"{NOT_TRIED}: {reason}")


@pytest.fixture
def pooler(servers):
    try:
        with bouncer(servers.primary.port) as pooler:
            yield pooler
    except NoServer as reason:
        pytest.skip(f"{NOT_TRIED}: {reason}")


@pytest.fixture(scope="module")
def migrated(servers, tmp_path_factory):
    servers.primary.scalar(f"CREATE DATABASE {NAME}")
    migrate(settings_in(tmp_path_factory.mktemp("migrated"), DATABASE_URL=servers.url(NAME)))


@dataclass(frozen=True)
class Route:
    """A way to reach the database: its URL, and what to do after a fail-over."""

    url: str
    follow: Callable[[], None]
    """Called after a fail-over."""


@pytest.fixture(params=["both_hosts", "pooler"])
def route(request, servers, migrated):
    if request.param == "both_hosts":
        return Route(servers.url(NAME), lambda: None)
    pooler = request.getfixturevalue("pooler")
    return Route(pooler.url(NAME), lambda: pooler.point_to(servers.primary.port))


@pytest.fixture
def tuned():
    """Creates engines with the application's options."""
    engines = []

    def make(url):
        engines.append(create_engine(url, **engine_options(url)))
        tune(engines[-1])
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def test_nothing_is_lost_or_doubled_when_the_primary_dies_l12(servers, route, tmp_path):
    """L12: requests get 503 meanwhile, and the same process continues with the standby."""
    app = create_app(settings_in(tmp_path, DATABASE_URL=route.url))
    owner = f"{secrets.token_hex(4)}@harbour.test"
    words = ("--name", "Harbour", "--email", owner, *PASSWORD, "--balance", "100.00",
             "--own-metering", "--json")  # fmt: skip
    made = app.test_cli_runner().invoke(args=["accounts", "create", *words])
    assert made.exit_code == 0, made.output
    [line] = [line for line in made.output.splitlines() if line.startswith("{")]
    bearer = {"Authorization": f"Bearer {json.loads(line)['api_key']}"}
    client = app.test_client()

    def post(reference):
        usage = {"amount": "10.00", "reference": reference}
        return client.post("/api/v1/usage", json=usage, headers=bearer)

    assert post("call-1").json["status"] == "posted"
    servers.primary.kill()
    refused = post("call-2")
    assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
    assert "Retry-After" in refused.headers

    servers.fail_over()
    route.follow()
    deadline = time.monotonic() + PATIENCE
    while (answer := post("call-2")).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (answer.status_code, answer.json["status"]) == (201, "posted")
    assert [post(f"call-{number}").json["status"] for number in (1, 2)] == ["duplicate"] * 2
    assert client.get("/api/v1/balance", headers=bearer).json["balance"] == "80.00"
    with app.app_context():
        with claim(db.session(), "top-up", 1) as mine:
            assert mine
        db.engine.dispose()
    servers.rebuild_standby()


def test_session_settings_last_one_transaction_behind_a_pooler(servers, pooler, tuned):
    """The next client of the same server session inherits none of them."""
    with tuned(pooler.url("postgres")).connect() as connection:
        assert connection.info[POOLED]
        assert connection.scalar(text("SHOW lock_timeout")) == "15s"
    with psycopg.connect(pooler.url("postgres").replace("+psycopg", "")) as other:
        assert other.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_statements_are_not_prepared_behind_a_pooler(servers, pooler, tuned):
    """Two clients share sessions, and each repeats a statement often enough to have it prepared."""
    engine = tuned(pooler.url("postgres"))
    with engine.connect() as one, engine.connect() as other:
        for number in range(12):
            for connection in (one, other):
                assert connection.scalar(text("SELECT :n + 0"), {"n": number}) == number
                # Sometimes both are in a transaction, and use two sessions.
                if number % 3:
                    connection.commit()  # a rollback would end psycopg's count
        prepared = text("SELECT count(*) FROM pg_prepared_statements")
        assert (one.scalar(prepared), other.scalar(prepared)) == (0, 0)


def test_advisory_locks_are_not_taken_behind_a_pooler(servers, pooler, tuned):
    """A lock would stay with a shared session; guarded updates protect the rows (L3, T8)."""
    with (
        Session(tuned(pooler.url("postgres"))) as session,
        claim(session, "top-up", 1) as first,
        claim(session, "top-up", 1) as second,
    ):
        assert (first, second) == (True, True)
        assert servers.primary.scalar(ADVISORY) == 0


def test_listen_is_not_used_behind_a_pooler(servers, pooler, tuned, caplog):
    """T4: the worker polls every half second instead."""
    caplog.set_level("INFO")
    until = time.monotonic() + 5
    listen(tuned(pooler.url("postgres")), lambda: None, lambda: time.monotonic() < until)
    assert time.monotonic() < until
    assert "the worker polls every half second" in caplog.text


def test_a_direct_connection_is_recognised(servers, tuned):
    with tuned(servers.url("postgres")).connect() as connection:
        assert not connection.info[POOLED]
        assert connection.scalar(text("SHOW lock_timeout")) == "15s"
