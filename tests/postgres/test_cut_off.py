"""PostgreSQL ends a connection at any moment of a request (F6): the answer is ours.

Before the work is done it is a 503; afterwards it is the answer that was made.
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
"""The moments after the view has made its answer, the earliest first."""


@pytest.fixture
def cut(app, world, postgres):
    """Sends one request, at a moment of which the server ends every connection."""

    def send(moment, ask):
        ended = []

        def end(answer=None):
            # Whatever the view did, a transaction is open at the server.
            db.session().connection().exec_driver_sql("SELECT 1")
            with postgres.connect() as admin:
                ended.extend(admin.execute(END_ALL, [KEEPER]).fetchall())
            return answer

        getattr(app, moment)(end)
        db.session.remove()
        # The tests hold an application context in this thread: here the request would not end it.
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(ask).result()
        assert ended, "no connection was cut"
        return answer

    return send


@pytest.fixture
def post_usage(app, world):
    usage = {"amount": "10.00", "reference": "call-1"}
    bearer = {"Authorization": f"Bearer {world.created.api_key}"}
    return lambda: app.test_client().post("/api/v1/usage", json=usage, headers=bearer)


@pytest.mark.parametrize("moment", MADE)
def test_a_page_that_was_made_is_sent(client, cut, moment):
    """F6: not gunicorn's bare 500."""
    answer = cut(moment, lambda: client.get(PAGE))
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")


@pytest.mark.parametrize("moment", MADE)
def test_usage_that_was_committed_is_answered_with_201(world, cut, post_usage, moment):
    """F6, L12: an error does not replace the answer, and the record is there once."""
    answer = cut(moment, post_usage)
    assert (answer.status_code, answer.json["status"]) == (201, "posted")
    assert world.balance == "90.00"
    assert in_order(world)


def test_a_page_says_that_ballast_cannot_be_used(client, cut):
    """F6: the connection is lost before the view has read anything."""
    answer = cut("before_request", lambda: client.get(PAGE))
    assert answer.status_code == 503
    assert "is unavailable right now" in answer.text
    assert "Retry-After" in answer.headers


def test_a_machine_is_told_in_problem_details(world, cut, post_usage):
    """F6: 503, and the same record sent again is posted once."""
    answer = cut("before_request", post_usage)
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "unavailable"
    assert world.balance == "100.00"


@pytest.mark.parametrize("path", [PAGE, "/api/v1/balance", "/v3/balance"])
def test_what_fails_after_the_view_is_an_outage_too(app, world, client, cut, path):
    """F6: Flask hands such an error over as a 500."""

    @app.after_request
    def read(answer):
        if answer.status_code == 200:
            db.session().connection().exec_driver_sql("SELECT 1")
        return answer

    key = world.created.api_key
    keys = {"Authorization": f"Bearer {key}", "Api-Key": key}
    answer = cut("after_request", lambda: client.get(path, headers=keys))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert ("json" in answer.content_type) == (path != PAGE)
