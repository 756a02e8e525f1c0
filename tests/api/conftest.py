"""Fixtures of the API tests: API clients with a key."""

import threading
from uuid import uuid4

import pytest
from werkzeug.serving import make_server


class Program:
    """An API client with a key and no cookies."""

    def __init__(self, app, key):
        self._client = app.test_client()
        self._key = key

    def __call__(self, method, path, body=None, **options):
        headers = {name.replace("_", "-"): value for name, value in options.items()}
        headers = {"Authorization": f"Bearer {self._key}", **headers}
        json = {} if body is None else {"json": body}
        return self._client.open(f"/api/v1{path}", method=method, headers=headers, **json)

    def get(self, path, **headers):
        return self("GET", path, **headers)

    def pay(self, path, body=None, **headers):
        """POST with a new `Idempotency-Key`, which payments require."""
        return self("POST", path, body, **{"Idempotency_Key": uuid4().hex, **headers})


@pytest.fixture
def program(app, world):
    return Program(app, world.created.api_key)


@pytest.fixture
def stranger(app, world):
    """A client of another account."""
    return Program(app, world.account(name="Other Ltd", balance="500.00").api_key)


@pytest.fixture
def provider(app, world):
    """The provider's program, with all scopes."""
    return Program(app, world.provider_key().key)


@pytest.fixture
def address(app):
    """The URL of a running server, for clients from other packages."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()
