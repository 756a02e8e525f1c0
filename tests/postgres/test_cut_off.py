"""Requests whose PostgreSQL connection is closed at any moment.

Before the view has done its work the response is a 503; afterwards the view's response is sent.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import on_postgres
from tests.failure_modes.conftest import in_order
from tests.postgres.server import KEEPER
from webapp.extensions import db

pytestmark = on_postgres

PAGE = "/billing/payment-methods"
END_ALL = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = 'kept' AND application_name <> %s"
)
MADE = ("after_request", "teardown_request", "teardown_appcontext")
"""The moments after the view has returned, the earliest first."""


@pytest.fixture
def cut(app, world, postgres):
    """Sends one request and ends every connection at the given moment."""

    def send(moment, send_request):
        ended = []

        def end(response=None):
            # Ensures an open transaction at the server, whatever the view did.
            db.session().connection().exec_driver_sql("SELECT 1")
            with postgres.connect() as admin:
                ended.extend(admin.execute(END_ALL, [KEEPER]).fetchall())
            return response

        getattr(app, moment)(end)
        db.session.remove()
        # The tests hold an application context in this thread, so the request would not end it
        # here.
        with ThreadPoolExecutor(1) as thread:
            response = thread.submit(send_request).result()
        assert ended, "no connection was cut"
        return response

    return send


@pytest.fixture
def post_usage(app, world):
    usage = {"amount": "10.00", "reference": "call-1"}
    bearer = {"Authorization": f"Bearer {world.created.api_key}"}
    return lambda: app.test_client().post("/api/v1/usage", json=usage, headers=bearer)


@pytest.mark.parametrize("moment", MADE)
def test_a_finished_page_is_sent_although_the_connection_is_lost(client, cut, moment):
    """Without this, gunicorn would answer with a bare 500."""
    response = cut(moment, lambda: client.get(PAGE))
    assert response.status_code == 200
    assert response.text.rstrip().endswith("</html>")


@pytest.mark.parametrize("moment", MADE)
def test_committed_usage_gets_201_although_the_connection_is_lost(world, cut, post_usage, moment):
    """L12: an error does not replace the response, and the record is posted once."""
    response = cut(moment, post_usage)
    assert (response.status_code, response.json["status"]) == (201, "posted")
    assert world.balance == "90.00"
    assert in_order(world)


def test_a_page_returns_503_if_the_connection_is_lost_before_the_view(client, cut):
    """The connection is lost before the view has read anything."""
    response = cut("before_request", lambda: client.get(PAGE))
    assert response.status_code == 503
    assert "is unavailable right now" in response.text
    assert "Retry-After" in response.headers


def test_the_api_returns_problem_details_if_the_connection_is_lost(world, cut, post_usage):
    """503, and the same record sent again is posted once."""
    response = cut("before_request", post_usage)
    assert response.status_code == 503
    assert response.content_type == "application/problem+json"
    assert response.json["code"] == "unavailable"
    assert world.balance == "100.00"


@pytest.mark.parametrize("path", [PAGE, "/api/v1/balance", "/v3/balance"])
def test_a_database_error_after_the_view_returns_503(app, world, client, cut, path):
    """Flask passes such an error on as a 500."""

    @app.after_request
    def read(response):
        if response.status_code == 200:
            db.session().connection().exec_driver_sql("SELECT 1")
        return response

    key = world.created.api_key
    keys = {"Authorization": f"Bearer {key}", "Api-Key": key}
    response = cut("after_request", lambda: client.get(path, headers=keys))
    assert response.status_code == 503
    assert "Retry-After" in response.headers
    assert ("json" in response.content_type) == (path != PAGE)
