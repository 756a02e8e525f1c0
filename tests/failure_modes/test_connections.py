"""F3, cases/bug05: clients that send half a request, or slowly, hold up nobody else.

Real sockets and a real server. Only that an answer comes is asserted, never how fast.
"""

import http.client
import json
import shutil
import signal
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
    """One for all tests of this file but those that end it or start it in another way."""
    folder = tmp_path_factory.mktemp("connections")
    shutil.copytree(migrated, folder / "home")
    with new_process(folder / "home", folder / "log") as process:
        process.environ["RUN_JOBS"] = "0"
        yield process.serve()


@pytest.fixture(scope="module")
def bearer(server):
    words = ("accounts", "create", "--name", "Meter", "--email", "meter@example.com")
    created = server.flask(*words, "--password", "keep-it-afloat", "--balance", "100.00", "--json")
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
    """So many connections with half a request, every second of which sends a byte now and then."""
    with ExitStack() as stack:
        held = []
        for number in range(count):
            held.append(stack.enter_context(connect(server)))
            held[-1].sendall(HALVES[number % len(HALVES)])
        over = threading.Event()

        def drip():
            while not over.wait(0.5):
                for one in held[:: len(HALVES)] + held[1 :: len(HALVES)]:
                    with suppress(OSError):  # the deadline has closed it
                        one.send(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield held
        finally:
            over.set()
            thread.join()


def received(connection):
    """Until the server closes the connection."""
    data = b""
    try:
        while found := connection.recv(65536):
            data += found
    except ConnectionResetError:
        pass
    return data


def test_500_half_sent_requests_stop_nobody(server, bearer):
    """F3: a meter, a probe and a person are answered; the deadline closes what is half-sent."""
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
        sent = [one for number, one in enumerate(held) if HALVES[number % len(HALVES)]]
        answers = [received(one) for one in sent]
    assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    assert server.ask("/healthz").status == 200
    assert "Traceback" not in server.said


def test_more_connections_than_the_server_holds_stop_nobody(small_server):
    """F3: the oldest unfinished connections make room, and hold up no end."""
    with half_sent(small_server, 150):
        for _ in range(5):
            assert small_server.ask("/healthz").status == 200
            assert small_server.ask("/sign-in").status == 200
        assert small_server.said.count("closing its oldest ones") == 1
        small_server.handle.send_signal(signal.SIGTERM)
        assert small_server.handle.wait(PATIENCE) == 0


def test_who_does_not_read_answers_stops_nobody(server):
    """F3: a connection whose last answer is not fetched is closed without anybody waiting."""
    with ExitStack() as stack:
        for _ in range(40):
            one = stack.enter_context(connect(server))
            one.sendall(b"GET /sign-in HTTP/1.0\r\n\r\nand more than that")
        began = time.monotonic()
        assert server.ask("/healthz").status == 200
        # One after the other they would have taken 80 s.
        assert time.monotonic() - began < PATIENCE


def test_an_idle_connection_is_used_again_after_seconds(server):
    """cases/bug05: longer than gunicorn's 2 s."""
    pool = http.client.HTTPConnection("127.0.0.1", int(server.environ["PORT"]), timeout=PATIENCE)
    pool.request("GET", "/healthz")
    pool.getresponse().read()
    first = pool.sock
    time.sleep(3.5)  # it is looked for once a second
    pool.request("GET", "/healthz")
    assert pool.getresponse().read() == b"ok\n"
    assert pool.sock is first
    pool.close()


def test_requests_sent_at_once_are_answered_in_turn(server, bearer):
    """Pipelining, with a body that is whole and one that is still to come."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in bearer.items())
    bodies = [json.dumps({"amount": "0.01", "reference": f"at-once-{n}"}) for n in range(3)]
    posts = [
        "POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nContent-Type: application/json\r\n"
        f"{lines}Content-Length: {len(body)}\r\n\r\n{body}"
        for body in bodies
    ]
    last = "GET /healthz HTTP/1.1\r\nHost: ballast\r\nConnection: close\r\n\r\n"
    whole = "".join([*posts, last]).encode()
    with connect(server) as one:
        one.sendall(whole[:-120])
        time.sleep(0.3)
        one.sendall(whole[-120:])
        answers = received(one)
    assert answers.count(b"HTTP/1.1 201 CREATED") == 3
    assert answers.count(b"HTTP/1.1 200 OK") == 1


def test_a_chunked_body_arrives_whole(server, bearer):
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


def test_a_client_that_asks_first_is_told_to_go_on(server, bearer):
    """Expect: 100-continue, answered once."""
    body = b'{"amount": "0.01", "reference": "expected"}'
    lines = "".join(f"{name}: {value}\r\n" for name, value in bearer.items())
    with connect(server) as one:
        one.sendall(
            "POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nContent-Type: application/json\r\n"
            f"{lines}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        assert one.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(body)
        assert received(one).startswith(b"HTTP/1.1 201 CREATED")


def test_a_body_as_large_as_an_upload_may_be(server):
    """It goes through a temporary file, and the connection is used again."""
    assert whole_requests.LARGEST_BODY > data.LARGEST_UPLOAD > usage_imports.LARGEST
    assert whole_requests.LARGEST_BODY > wires.LARGEST_UPLOAD > proofs.LARGEST
    body = b"a" * (whole_requests.LARGEST_BODY - 1)
    with requests.Session() as person:
        for path in ("/sign-in", "/sign-in"):
            answer = person.post(f"{server.url}{path}", data=body, timeout=PATIENCE)
            assert answer.status_code == 413
            assert "Connection" not in answer.headers or answer.headers["Connection"] != "close"


def test_a_larger_body_is_refused_by_its_size(server, bearer):
    """It is not collected: the application's own answer, and the connection ends."""
    with connect(server) as one:
        one.sendall(
            b"POST /api/v1/usage HTTP/1.1\r\nHost: ballast\r\nContent-Type: application/json\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in bearer.items()).encode()
            + b"Content-Length: 99999999999\r\n\r\n"
        )
        answer = received(one)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert b"application/problem+json" in answer


def test_endless_header_fields_are_refused(server):
    with connect(server) as one:
        with suppress(OSError):  # it is refused before all of it is sent
            one.sendall(b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"a" * 200_000)
        assert received(one).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_ends(server, request_):
    """The next request's beginning would be unknown."""
    with connect(server) as one:
        one.sendall(request_ + b"GET /healthz HTTP/1.1\r\nHost: ballast\r\n\r\n")
        answer = received(one)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
