"""Load generator: keep-alive connections, each sending its next request after the response.

It runs in a separate process and does little work, so that the server is measured; `Load.busy` is
the share of a core it used. An unexpected response ends the run.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, cycle
from multiprocessing import get_context

from benchmarks.rows import Rounds

MARK = b"#serial-here#"
"""Placeholder in a request, replaced by a new number of the same length at each sending."""

PATIENCE = 30.0
"""Seconds to wait for a response."""

_serials = count(1)


class Unexpected(Exception):
    """The response was not the expected one, or there was none."""


@dataclass(frozen=True)
class Plan:
    port: int
    requests: Sequence[Sequence[bytes]]
    """One row per connection: the requests it repeats."""
    expect: int
    """Expected status of every response."""
    seconds: float
    warm_up: float
    per_second: float = 0.0
    """Requests per second over all connections; 0: each connection as fast as it can."""


@dataclass(frozen=True)
class Load:
    per_second: float
    answered: int
    """All responses, including warm-up and those still pending at the end of the time."""
    p50: float
    """Seconds."""
    p99: float
    busy: float
    """Share of one core used by the generator: near 1 it would measure itself."""
    spent: float = 0.0
    """Seconds of the server's processor time per response."""


class Generator:
    def __enter__(self) -> "Generator":
        # Spawned, because a fork would inherit locks and memory of the parent.
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def drive(self, plan: Plan) -> Load:
        return self._pool.submit(drive, plan).result()


def drive(plan: Plan) -> Load:
    with selectors.DefaultSelector() as selector:
        for requests in plan.requests:
            caller = Caller(plan.port, requests)
            selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.send()
        begin = time.perf_counter() + plan.warm_up
        interval = len(plan.requests) / plan.per_second if plan.per_second else 0.0
        resting: deque[Caller] = deque()
        end, started_busy = begin + plan.seconds, time.process_time()
        answered, waits = 0, []
        while selector.get_map():
            while resting and resting[0].sent_at + interval <= time.perf_counter():
                resting.popleft().send()
            wait = resting[0].sent_at + interval - time.perf_counter() if resting else PATIENCE
            ready = selector.select(max(wait, 0))
            if not ready and not resting:
                raise Unexpected(f"no answer within {PATIENCE:.0f} s")
            for key, _ in ready:
                caller = key.data
                if not caller.receive(plan.expect):
                    continue
                now = time.perf_counter()
                answered += 1
                if begin <= now < end:
                    waits.append(now - caller.sent_at)
                if now < end and interval:
                    resting.append(caller)
                elif now < end:
                    caller.send()
                else:
                    selector.unregister(caller.socket)
                    caller.socket.close()
        busy = (time.process_time() - started_busy) / (time.perf_counter() - begin + plan.warm_up)
    waits.sort()
    if not waits:
        raise Unexpected("no answer within the measured time")
    p50, p99 = (waits[int(len(waits) * share)] for share in (0.5, 0.99))
    return Load(len(waits) / plan.seconds, answered, p50, p99, busy)


class Caller:
    """One connection."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests: Iterator[bytes] = cycle(requests)
        self._got = bytearray()
        self.sent_at = 0.0

    def send(self) -> None:
        request = next(self._requests)
        if MARK in request:
            request = request.replace(MARK, b"%0*d" % (len(MARK), next(_serials)))
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self, expect: int) -> bool:
        """Whether the response is complete. Raises `Unexpected` if its status is not `expect`."""
        arrived = self.socket.recv(262_144)
        if not arrived:
            raise Unexpected(f"the connection was closed after {bytes(self._got[:200])!r}")
        self._got += arrived
        head, found, body = bytes(self._got).partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return False
        if int(head.split(b" ", 2)[1]) != expect:
            raise Unexpected(f"{head.decode('latin-1')}\n\n{body[:2000].decode(errors='replace')}")
        self._got.clear()
        return True


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Unexpected(f"a response without Content-Length: {head.decode('latin-1')}")


def rates(loads: Sequence[Load]) -> Rounds:
    """Requests per second."""
    return tuple(load.per_second for load in loads)


def milliseconds(loads: Sequence[Load]) -> Rounds:
    """Milliseconds of server time per request."""
    return tuple(1000 / load.per_second for load in loads)


def details(ours: Sequence[Load], bound: Sequence[Load] = ()) -> dict[str, object]:
    """Details for the JSON: rate, processor time per response, latencies, generator's share."""
    return {
        side: [
            {
                "per_second": round(load.per_second, 1),
                "server_ms": round(load.spent * 1000, 2),
                "p50_ms": round(load.p50 * 1000, 2),
                "p99_ms": round(load.p99 * 1000, 2),
                "generator_busy": round(load.busy, 2),
            }
            for load in loads
        ]
        for side, loads in (("ours", ours), ("bound", bound))
        if loads
    }
