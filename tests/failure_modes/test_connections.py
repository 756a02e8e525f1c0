"""Slow clients and incomplete requests do not block other clients.

The tests use real sockets and a real server. They assert that responses arrive, not how fast.
"""

import http.client
import json
import shutil
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
import requests

from deploy import whole_requests
from tests.failure_modes.conftest import PATIENCE, new_process
from webapp.domain.usage import imports as usage_imports
from webapp.domain.wires import proofs
from webapp.web import wires
from webapp.web.accounts import import_export as data

HALVES = (
    b"GET /healthz HTTP/1.1\r\nHost: ballast\r\nX-",
    b"POST /sign-in HTTP/1.1\r\nHost: ballast\r\nContent-Length: 1000\r\n\r\na",
    b"POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nTransfer-Encoding: chunked\r\n\r\nff\r\na",
    b"",
)


@pytest.fixture(scope="module")
def server(migrated, tmp_path_factory):
    """A server for the tests of this file that neither stop it nor need other options."""
    folder = tmp_path_factory.mktemp("connections")
    shutil.copytree(migrated, folder / "home")
    with new_process(folder / "home", folder / "log") as process:
        process.environ["RUN_JOBS"] = "0"
        yield process.serve()


@pytest.fixture(scope="module")
def bearer(server):
    arguments = ("accounts", "create", "--name", "Meter", "--email", "meter@example.com")
    created = server.flask(
        *arguments,
        "--password",
        "keep-it-afloat",
        "--balance",
        "100.00",
        "--own-metering",
        "--json",
    )
    return {"Authorization": f"Bearer {json.loads(created.stdout)['api_key']}"}


@pytest.fixture
def small_server(process):
    process.environ["RUN_JOBS"] = "0"
    return process.serve("--worker-connections", "60")


def connect(server):
    port = int(server.environ["PORT"])
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


@contextmanager
def half_sent(server, count):
    """Open this many connections with partial requests; half of them send a byte now and then."""
    with ExitStack() as stack:
        held = []
        for number in range(count):
            held.append(stack.enter_context(connect(server)))
            held[-1].sendall(HALVES[number % len(HALVES)])
        over = threading.Event()

        def drip():
            while not over.wait(0.5):
                for connection in held[:: len(HALVES)] + held[1 :: len(HALVES)]:
                    with suppress(OSError):  # the deadline has closed it
                        connection.send(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield held
        finally:
            over.set()
            thread.join()


def received(connection):
    """Read until the server closes the connection."""
    data = b""
    try:
        while found := connection.recv(65536):
            data += found
    except ConnectionResetError:
        pass
    return data


def test_500_incomplete_requests_do_not_block_others(server, bearer):
    """A meter, a probe and a page are answered; the deadline closes incomplete requests."""
    usage = f"{server.url}/api/v1/usage"
    with half_sent(server, 500) as held:
        for number in range(5):
            record = {"amount": "0.01", "reference": f"call-{number}"}
            assert (
                requests.post(usage, json=record, headers=bearer, timeout=PATIENCE).status_code
                == 201
            )
            assert server.ask("/healthz").status == 200
            assert server.ask("/sign-in").status == 200
        sent = [
            connection for number, connection in enumerate(held) if HALVES[number % len(HALVES)]
        ]
        answers = [received(connection) for connection in sent]
    assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    assert server.ask("/healthz").status == 200
    assert "Traceback" not in server.output


def test_too_many_connections_do_not_block_others(small_server):
    """The oldest incomplete connections are closed, and shutdown is not delayed."""
    with half_sent(small_server, 150):
        for _ in range(5):
            assert small_server.ask("/healthz").status == 200
            assert small_server.ask("/sign-in").status == 200
        assert small_server.output.count("closing its oldest ones") == 1
        small_server.handle.terminate()
        assert small_server.handle.wait(PATIENCE) == 0


def test_clients_that_read_no_response_do_not_block_others(server):
    """A connection with an unread response is closed without blocking the server."""
    with ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(connect(server))
            connection.sendall(b"GET /sign-in HTTP/1.0\r\n\r\nand more than that")
        began = time.monotonic()
        assert server.ask("/healthz").status == 200
        # Closing them one by one would take 80 s.
        assert time.monotonic() - began < PATIENCE


def test_an_idle_connection_is_reused_after_seconds(server):
    """The delay is longer than gunicorn's default of 2 s."""
    pool = http.client.HTTPConnection("127.0.0.1", int(server.environ["PORT"]), timeout=PATIENCE)
    pool.request("GET", "/healthz")
    pool.getresponse().read()
    first = pool.sock
    time.sleep(3.5)  # idle connections are polled once a second
    pool.request("GET", "/healthz")
    assert pool.getresponse().read() == b"ok\n"
    assert pool.sock is first
    pool.close()


def test_pipelined_requests_are_answered_in_order(server, bearer):
    """Some bodies arrive complete and one in two parts."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in bearer.items())
    bodies = [json.dumps({"amount": "0.01", "reference": f"at-once-{n}"}) for n in range(3)]
    posts = [
        "POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nContent-Type: application/json\r\n"
        f"{lines}Content-Length: {len(body)}\r\n\r\n{body}"
        for body in bodies
    ]
    last = "GET /healthz HTTP/1.1\r\nHost: ballast\r\nConnection: close\r\n\r\n"
    whole = "".join([*posts, last]).encode()
    with connect(server) as connection:
        connection.sendall(whole[:-120])
        time.sleep(0.3)
        connection.sendall(whole[-120:])
        answers = received(connection)
    assert answers.count(b"HTTP/1.1 201 CREATED") == 3
    assert answers.count(b"HTTP/1.1 200 OK") == 1


def test_a_chunked_body_arrives_complete(server, bearer):
    def pieces():
        for piece in (b'{"amount": "0.01",', b' "reference": ', b'"chunked"}'):
            yield piece
            time.sleep(0.1)

    with requests.Session() as meter:
        for status in ("posted", "duplicate"):
            answer = meter.post(
                f"{server.url}/api/v1/usage",
                data=pieces(),
                headers={**bearer, "Content-Type": "application/json"},
                timeout=PATIENCE,
            )
            assert answer.json()["status"] == status


def test_expect_100_continue_is_answered_once(server, bearer):
    body = b'{"amount": "0.01", "reference": "expected"}'
    lines = "".join(f"{name}: {value}\r\n" for name, value in bearer.items())
    with connect(server) as connection:
        connection.sendall(
            "POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nContent-Type: application/json\r\n"
            f"{lines}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert received(connection).startswith(b"HTTP/1.1 201 CREATED")


def test_a_body_of_the_maximum_size_is_accepted(server):
    """It uses a temporary file, and the connection is reused."""
    assert whole_requests.LARGEST_BODY > data.LARGEST_UPLOAD > usage_imports.LARGEST
    assert whole_requests.LARGEST_BODY > wires.LARGEST_UPLOAD > proofs.LARGEST
    body = b"a" * (whole_requests.LARGEST_BODY - 1)
    with requests.Session() as person:
        for path in ("/sign-in", "/sign-in"):
            answer = person.post(f"{server.url}{path}", data=body, timeout=PATIENCE)
            assert answer.status_code == 413
            assert "Connection" not in answer.headers or answer.headers["Connection"] != "close"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_connection_is_usable_after_a_body_that_the_api_refuses(server, bearer, is_chunked):
    """The answer does not say that it is closed."""
    headers = bearer | {"Content-Type": "application/json"}
    if is_chunked:
        headers["Transfer-Encoding"] = "chunked"
    with connect(server) as connection:
        client = http.client.HTTPConnection("ballast")
        client.sock = connection
        client.auto_open = 0
        for number in range(20):
            body = iter([b"a" * 1_000_000] * 3) if is_chunked else b"a" * 3_000_000
            client.request("POST", "/api/v1/usage", body, headers, encode_chunked=is_chunked)
            answer = client.getresponse()
            assert (answer.status, answer.getheader("Content-Type")) == (
                413,
                "application/problem+json",
            )
            answer.read()
            client.request("GET", "/healthz")
            assert client.getresponse().read() == b"ok\n", number


def test_a_body_above_the_maximum_is_refused_by_its_declared_size(server, bearer):
    """The body is not read: the application answers, and the connection closes."""
    with connect(server) as connection:
        connection.sendall(
            b"POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nContent-Type: application/json\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in bearer.items()).encode()
            + b"Content-Length: 99999999999\r\n\r\n"
        )
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert b"application/problem+json" in answer


def test_endless_header_fields_are_refused(server):
    with connect(server) as connection:
        with suppress(OSError):  # the server refuses before everything is sent
            connection.sendall(b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"a" * 200_000)
        assert received(connection).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_and_the_connection_closed(server, request_):
    """The server could not find the start of the next request."""
    with connect(server) as connection:
        connection.sendall(request_ + b"GET /healthz HTTP/1.1\r\nHost: ballast\r\n\r\n")
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
