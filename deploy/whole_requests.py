"""A gunicorn threaded worker whose threads receive complete requests.

The poll loop reads each request within a deadline, and passes the connection to a thread when the
last byte has arrived. So a slow or incomplete request occupies a connection but no thread. The
reasons are in docs/decisions/2026-11-30-whole-requests.md.
"""

import re
import resource
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from errno import EMFILE, ENFILE
from functools import partial
from tempfile import SpooledTemporaryFile

from gunicorn.errors import ConfigError
from gunicorn.http import RequestParser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_SECONDS = 10.0
"""Deadline from the first byte of a request to the end of its header fields."""

BODY_SECONDS = 10.0
"""Deadline for the body, plus a second for each `BODY_RATE` bytes received."""

BODY_RATE = 1024
"""Minimum rate of the body in bytes per second."""

WRITE_SECONDS = 30.0
"""Timeout for writing the part of a response that exceeds the socket's send buffer."""

LINGER_SECONDS = 2.0
"""Time for a client to read the last response before the connection is closed."""

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 48 * 1024 * 1024
"""More than any form or import accepts; the application has its own, smaller limits."""

IN_MEMORY = 512 * 1024
"""Larger requests are stored in a temporary file."""

LARGEST_TOTAL = 512 * 1024 * 1024
"""Maximum total size of all requests being received."""

AT_ONCE = 64 * 1024
"""Bytes read from a connection before the next one is served."""

BUFFER = 1024 * 1024
"""Socket send buffer, so that a slow client blocks a thread only with a larger response."""

OPEN_FILES = 4096

FRAMING = re.compile(
    rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)

TOO_LATE = ("408 Request Timeout", "The request did not arrive in time.")
TOO_LARGE = ("431 Request Header Fields Too Large", "The header fields are too large.")
TOO_MUCH = ("503 Service Unavailable", "Too much is being received. Send it again later.")


class Incoming:
    """A request being received: its bytes so far, and whether it is complete.

    Only gunicorn's parser interprets the request. If the two disagree about its length, the parser
    reaches the end of the received bytes, and the connection is closed.
    """

    def __init__(self, now: float) -> None:
        self.file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # closed with its connection
        self.size = 0
        self.deadline = now + HEAD_SECONDS
        self.has_head = False
        self.wants_continue = False
        self.whole = False
        self.cut = False
        """The rest of the body is not read; the application refuses the request by its size."""
        self.too_large = False
        self._body_began = 0.0
        self._head_size = 0
        self._now = now
        self._new = bytearray()
        self._steps = self._read()

    def feed(self, data: bytes, now: float) -> None:
        self.file.write(data)
        self.size += len(data)
        self._new += data
        self._now = now
        next(self._steps, None)
        if self.has_head:
            earned = (self.size - self._head_size) / BODY_RATE
            self.deadline = self._body_began + BODY_SECONDS + earned

    def _read(self) -> Iterator[None]:
        """Parse the framing; yields whenever more bytes are needed."""
        head = yield from self._until(b"\r\n\r\n")
        if self.too_large:
            return
        self.has_head, self._body_began = True, self._now
        self._head_size = self.size - len(self._new)
        fields = {name.lower(): value for name, value in FRAMING.findall(head)}
        self.wants_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        try:
            if b"transfer-encoding" in fields:
                yield from self._chunks()
            else:
                yield from self._skip(int(fields.get(b"content-length", b"0")))
        except ValueError:
            pass  # gunicorn's parser refuses the request
        self.whole = True

    def _chunks(self) -> Iterator[None]:
        while size := int((yield from self._until(b"\r\n")).partition(b";")[0], 16):
            yield from self._skip(size + 2)
            if self.cut:
                return
        while (yield from self._until(b"\r\n")) != b"\r\n":
            if self.cut:
                return

    def _skip(self, count: int) -> Iterator[None]:
        if self.size - self._head_size + count - len(self._new) > LARGEST_BODY:
            self.cut = True
            return
        while count > len(self._new):
            count -= len(self._new)
            self._new.clear()
            yield
        del self._new[: max(count, 0)]

    def _until(self, end: bytes) -> Iterator[None]:
        """Return the bytes up to and including `end`."""
        searched = 0
        while (at := self._new.find(end, searched)) < 0:
            if len(self._new) > LARGEST_HEAD:
                self.too_large = not self.has_head
                self.cut = True
                return b""
            searched = max(0, len(self._new) - len(end) + 1)
            yield
        found = bytes(self._new[: at + len(end)])
        del self._new[: at + len(end)]
        return found


class Collected(Unreader):
    """Source of gunicorn's parser: reads the received request, then returns no more bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.file = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        return self.file.read(min(max(size_hint or 0, 8192), AT_ONCE))


class Connection(TConn):
    def __init__(self, worker: "WholeRequestWorker", sock, client, server) -> None:
        super().__init__(worker.cfg, sock, client, server)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.worker = worker
        self.address = client[0] if isinstance(client, tuple) else ""
        self.initialized = self.data_ready = True
        self.parser = RequestParser(self.cfg, (), client)
        self.parser.unreader = Collected()
        self.incoming: Incoming | None = None
        self.since = time.monotonic()
        self.closing = False

    def init(self) -> None:
        """Called in the thread, which only writes to the socket."""
        self.sock.settimeout(WRITE_SECONDS)

    def begin(self) -> None:
        """Start receiving the next request, with the bytes left over from the last one."""
        self.sock.setblocking(False)
        self.since = time.monotonic()
        rest = self.parser.unreader.take_buffered()
        self.incoming = Incoming(self.since)
        if rest:
            self.incoming.feed(rest, self.since)

    def hand_over(self) -> None:
        self.incoming.file.seek(0)
        self.parser.unreader.file = self.incoming.file

    def take_back(self) -> None:
        """Put the bytes received after the request back into gunicorn's buffer."""
        unreader = self.parser.unreader
        unreader.unread(unreader.take_buffered() + self.incoming.file.read())
        self.incoming.file.close()
        self.incoming = None

    def close(self, graceful: bool = False) -> None:
        if graceful and self.worker.linger(self):
            return
        self.worker.connections.discard(self)
        if self.incoming is not None:
            self.incoming.file.close()
        super().close()


class WholeRequestWorker(ThreadWorker):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Connection] = set()
        self.unfinished: dict[Connection, None] = {}
        """Connections that are receiving a request, or lingering after the last response."""
        self._next_check = 0.0
        self._warned_at = float("-inf")

    @classmethod
    def check_config(cls, cfg, log) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise ConfigError("Ballast does not terminate TLS: use a reverse proxy")

    def init_process(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        super().init_process()

    # In the poll loop

    def accept(self, listener) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (EMFILE, ENFILE):
                self.close_one_waiting()
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self.close_one_waiting()
        conn = Connection(self, sock, client, listener.getsockname())
        self.connections.add(conn)
        # Browsers open connections in advance: until its first byte a connection counts as idle.
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        watched = partial(self.on_client_socket_readable, conn)
        self.poller.register(sock, selectors.EVENT_READ, watched)

    def enqueue_req(self, conn) -> None:
        """Receive the next request of a connection; a thread handles it when it is complete."""
        conn.begin()
        self.advance(conn) if conn.incoming.size else self.read(conn)

    def read(self, conn, _socket=None) -> None:
        try:
            data = conn.sock.recv(AT_ONCE)
        except BlockingIOError:
            self.advance(conn)
            return
        except OSError:
            data = b""
        if not data:
            self.drop(conn)
            return
        try:
            conn.incoming.feed(data, time.monotonic())
        except OSError as error:
            self.log.error("A request cannot be written to a temporary file: %s", error)
            self.refuse(conn, TOO_MUCH)
            return
        self.advance(conn)

    def advance(self, conn) -> None:
        """Hand over a complete request, refuse a bad one, or wait for more bytes."""
        incoming = conn.incoming
        if incoming.too_large:
            self.refuse(conn, TOO_LARGE)
        elif incoming.whole:
            self.forget(conn)
            conn.hand_over()
            super().enqueue_req(conn)
        elif incoming.size > LARGEST_HEAD and self.received() > LARGEST_TOTAL:
            self.refuse(conn, TOO_MUCH)
        else:
            conn.timeout = incoming.deadline
            self.watch(conn, self.read)
            if incoming.wants_continue:
                incoming.wants_continue = False
                self.send(conn, b"HTTP/1.1 100 Continue\r\n\r\n")

    def received(self) -> int:
        return sum(conn.incoming.size for conn in self.connections if conn.incoming is not None)

    def refuse(self, conn, response: tuple[str, str]) -> None:
        status, sentence = response
        self.forget(conn)
        self.send(
            conn,
            f"HTTP/1.1 {status}\r\nConnection: close\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
            f"Content-Length: {len(sentence) + 1}\r\n\r\n{sentence}\n".encode(),
        )
        self.nr_conns -= 1
        conn.close(graceful=True)

    def send(self, conn, data: bytes) -> None:
        """Send a short response, which fits into the send buffer if the client has read so far."""
        try:
            conn.sock.send(data)
        except OSError:
            self.log.debug("A client does not read its response")

    def linger(self, conn) -> bool:
        """Shut down writing, and let the client read the last response; False if it is gone.

        Closing while the client still sends would reset the connection and lose the response.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.watch(conn, self.drain)
        except (OSError, ValueError):
            return False
        conn.closing, conn.timeout = True, time.monotonic() + LINGER_SECONDS
        self.nr_conns += 1
        return True

    def drain(self, conn, _socket=None) -> None:
        try:
            data = conn.sock.recv(AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(conn)

    def watch(self, conn, callback) -> None:
        if conn not in self.unfinished:
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))
            self.unfinished[conn] = None

    def forget(self, conn) -> None:
        if conn in self.unfinished:
            self.poller.unregister(conn.sock)
            del self.unfinished[conn]

    def drop(self, conn) -> None:
        self.forget(conn)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """End the connections past their deadline; called in each iteration of the poll loop."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + 0.5
        for conn in [conn for conn in self.unfinished if conn.timeout <= now]:
            self.drop(conn) if conn.closing else self.refuse(conn, TOO_LATE)

    def close_one_waiting(self) -> None:
        """Close a connection of the address that has most of them, the oldest unfinished one first.

        A connection that a thread is working on is never closed.
        """
        held = Counter(conn.address for conn in self.connections)
        waiting = (*self.unfinished, *self.keepalived_conns)
        if not waiting:
            return
        conn = max(waiting, key=lambda one: (held[one.address], one in self.unfinished, -one.since))
        if time.monotonic() > self._warned_at + 60:
            self._warned_at = time.monotonic()
            self.log.warning(
                "%s connections are open, %s of them from %s: closing its oldest ones",
                self.nr_conns,
                held[conn.address],
                conn.address or "a socket",
            )
        if conn in self.unfinished:
            self.drop(conn)
            return
        self.keepalived_conns.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """On SIGTERM, do not wait for requests whose header fields are incomplete."""
        super()._cap_keepalive(deadline)
        for conn in self.unfinished:
            if conn.incoming is not None and not conn.incoming.has_head:
                conn.timeout = min(conn.timeout, deadline)

    # In a thread

    def handle_request(self, req, conn):
        # The poll loop has already sent 100 Continue.
        req._expected_100_continue = False  # noqa: SLF001
        if conn.incoming.cut:
            req.force_close()
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            self.log.info("%s did not read its response in time", conn.address)
            raise StopIteration from None

    def _keepalive_after(self, conn, keepalive) -> bool:
        if not keepalive or conn.incoming.cut:
            return False
        with suppress(Exception):  # errors of the body, which gunicorn has recorded
            while conn.parser.mesg.body.read(AT_ONCE):
                pass
        keep = conn.parser.finish_body()
        if keep:
            conn.take_back()
        return keep
