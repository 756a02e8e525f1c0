"""The webhook sender delivers only to permitted addresses."""

import socket
import time
from ipaddress import ip_address

import pytest

from tests.receivers import receiving
from webapp.delivery.webhook_sender import PLAIN, PRIVATE, HttpWebhookSender
from webapp.domain.shared.public_addresses import is_public

LOCAL = ("127.0.0.0/8",)


def deliver(url, allowed=LOCAL, seconds=5.0):
    return HttpWebhookSender(allowed, seconds).deliver(url, {"webhook-id": "evt_1"}, b'{"a":1}')


def test_a_request_arrives_unchanged():
    with receiving() as receiver:
        reply = deliver(f"{receiver.url}?a=1")
    assert (reply.status, reply.trouble) == (204, "")
    headers, body = receiver.got[0]
    assert body == b'{"a":1}'
    assert headers["webhook-id"] == "evt_1"
    assert headers["Host"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1", "224.0.0.1", "[::1]", "[::]", "[fe80::1]", "[fc00::1]",
        "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001::1]",
        "2130706433", "0x7f.1",
        # Special, wrapping and reserved ranges
        "[::127.0.0.1]", "[::8.8.8.8]", "[fec0::1]", "[5f00::1]", "[4000::1]", "[e000::1]",
        "[64:ff9b:1::1]", "[2002:808:808::]", "[2001:db8::1]", "[3fff::1]", "[2001:20::1]",
        "[::ffff:10.0.0.1]", "[ff02::1]", "192.88.99.1", "192.0.0.8", "198.18.0.1", "240.0.0.1",
        "255.255.255.255", "203.0.113.7", "192.0.2.1",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(host):
    """In any notation; a name is resolved first, and its addresses are checked."""
    for scheme in ("http", "https"):
        reply = deliver(f"{scheme}://{host}/in", allowed=())
        assert reply.status is None
        assert reply.trouble == PRIVATE, reply


def test_nothing_is_sent_to_a_refused_address():
    with receiving() as receiver:
        assert deliver(receiver.url, allowed=("10.0.0.0/8",)).trouble == PRIVATE
    assert receiver.got == []


def test_public_addresses_require_https():
    assert deliver("http://93.184.216.34/in", allowed=()).trouble == PLAIN


def test_a_name_is_resolved_once_and_that_address_is_used(monkeypatch):
    """A name that resolves to different addresses cannot bypass the check."""
    resolved = []

    def resolve(host, port, *rest, **options):
        resolved.append(host)
        address = "203.0.113.77" if len(resolved) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        reply = deliver(f"http://hooks.example.com:{port}/in")
        monkeypatch.undo()
    assert reply.status == 204
    assert resolved == ["hooks.example.com"]
    assert receiver.got[0][0]["Host"] == f"hooks.example.com:{port}"


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    def resolve(host, port, *rest, **options):
        both = ("8.8.8.8", "10.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in both]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert deliver("https://hooks.example.com/in", allowed=()).trouble == PRIVATE


def resolving_to(monkeypatch, *addresses):
    def resolve(host, port, *rest, **options):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_all_addresses_are_tried_in_turn(monkeypatch):
    """A receiver with one unreachable host is reached at its other one."""
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        resolving_to(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
        reply = deliver(f"http://hooks.example.com:{port}/in")
    assert reply.status == 204
    assert len(receiver.got) == 1


def test_an_unresponsive_address_leaves_time_for_the_next(monkeypatch):
    """All tries share one deadline."""
    with receiving() as receiver, socket.socket() as full:
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
        full.bind(("127.0.0.2", port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for connection in waiting:  # its queue is full, so the next connection is not answered
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.2", port))
        resolving_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        reply = deliver(f"http://hooks.example.com:{port}/in", seconds=4)
        for connection in waiting:
            connection.close()
    assert reply.status == 204
    assert reply.took_ms < 4000


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_public(address):
    assert is_public(ip_address(address))


def test_redirects_are_not_followed():
    with receiving() as other, receiving(headers={"Location": other.url}) as receiver:
        receiver.statuses += [302, 307, 308]
        replies = [deliver(receiver.url) for _ in range(3)]
    assert [reply.status for reply in replies] == [302, 307, 308]
    assert "redirect" in replies[0].trouble
    assert other.got == []


def test_a_slow_receiver_is_cut_off():
    """Single bytes arrive in time, but the whole response does not."""
    with receiving(statuses=[500], body=b"x" * 200, drip=0.1) as receiver:
        began = time.monotonic()
        reply = deliver(receiver.url, seconds=0.5)
    assert time.monotonic() - began < 3
    assert reply.status is None or len(reply.trouble) < 200


def test_a_silent_receiver_times_out():
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        port = stalled.getsockname()[1]
        for scheme in ("http", "https"):
            reply = deliver(f"{scheme}://127.0.0.1:{port}/", seconds=0.3)
            assert (reply.status, reply.trouble) == (None, "No answer within 0.3 seconds")


def test_a_large_response_is_truncated():
    with receiving(statuses=[500], body=b"no\x00thing\n " * 100_000) as receiver:
        reply = deliver(receiver.url)
    assert reply.status == 500
    assert len(reply.trouble) <= 16 * 1024
    assert reply.trouble.isprintable()


def test_an_unreachable_receiver_is_reported():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert deliver(f"http://127.0.0.1:{port}/").trouble == "The connection was refused"
    assert deliver("https://nowhere.invalid/").trouble == "The host nowhere.invalid was not found."


def test_a_certificate_is_checked():
    with receiving() as receiver:
        reply = deliver(receiver.url.replace("http:", "https:"))
    assert reply.status is None
    assert reply.trouble.startswith("TLS failed")
    assert receiver.got == []
