"""When a request is complete, and the deadlines for the rest of it."""

import pytest

from deploy.whole_requests import BODY_RATE, BODY_SECONDS, HEAD_SECONDS, LARGEST_BODY, Incoming

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
CHUNKED = (
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nabcde\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
)
REQUESTS = pytest.mark.parametrize("request_", [GET, POST, CHUNKED], ids=["get", "post", "chunked"])


@REQUESTS
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_request_is_whole_with_its_last_byte(request_, size):
    incoming = Incoming(0.0)
    for at in range(0, len(request_), size):
        assert not incoming.whole
        incoming.feed(request_[at : at + size], 0.0)
    assert incoming.whole
    assert not incoming.cut


@REQUESTS
def test_bytes_of_the_next_request_are_kept(request_):
    incoming = Incoming(0.0)
    incoming.feed(request_ + GET[:9], 0.0)
    assert incoming.whole
    incoming.file.seek(0)
    assert incoming.file.read() == request_ + GET[:9]


def test_slow_single_bytes_do_not_extend_the_header_deadline():
    incoming = Incoming(100.0)
    for second in range(8):
        incoming.feed(GET[second : second + 1], 100.0 + second)
    assert incoming.deadline == 100.0 + HEAD_SECONDS


def test_a_body_must_keep_a_minimum_rate():
    incoming = Incoming(100.0)
    head = b"POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n"
    incoming.feed(head, 103.0)
    assert incoming.deadline == 103.0 + BODY_SECONDS
    incoming.feed(b"a" * 20 * BODY_RATE, 104.0)
    assert incoming.deadline == 103.0 + BODY_SECONDS + 20
    incoming.feed(b"a", 105.0)
    assert incoming.deadline < 103.0 + BODY_SECONDS + 21


@pytest.mark.parametrize(
    "framing",
    [
        f"Content-Length: {LARGEST_BODY + 1}\r\n\r\n",
        f"Transfer-Encoding: chunked\r\n\r\n{LARGEST_BODY + 1:x}\r\n",
    ],
    ids=["declared", "chunked"],
)
def test_a_body_that_is_too_large_is_cut(framing):
    incoming = Incoming(0.0)
    incoming.feed(f"POST / HTTP/1.1\r\n{framing}".encode(), 0.0)
    assert incoming.whole
    assert incoming.cut


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: x\r\n\r\n",
        "Content-Length: -5\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_malformed_framing_is_left_to_the_parser(framing):
    incoming = Incoming(0.0)
    incoming.feed(f"POST / HTTP/1.1\r\n{framing}".encode(), 0.0)
    assert incoming.whole
