"""Receiver of an account's webhooks: verifies and records them, and injects failures."""

import re
from base64 import b64decode, b64encode
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest, digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Lock, Thread

MOST_FAILURES = 2
"""Per event; an endpoint that fails for days would be switched off."""

BAD = 0.2
"""Share of requests that fail."""

MESSAGE_ID = re.compile(r"evt_(\d{12})")


@dataclass(frozen=True)
class Delivery:
    path: str
    """The path of one endpoint."""
    event_id: int
    body: bytes


class Receiver:
    def __init__(self, random: Random) -> None:
        self._random, self._lock = random, Lock()
        self._failed: Counter[tuple[str, str]] = Counter()
        self.received: list[Delivery] = []
        self.faults: list[str] = []
        self.secrets: dict[str, str] = {}
        """By path: the signing secret."""
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Record the event and return the status; 0 accepts it but breaks the connection."""
        name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        found = MESSAGE_ID.fullmatch(name)
        with self._lock:
            if found is None or not self._is_signed(path, f"{name}.{stamp}.", headers, body):
                self.faults.append(f"{path} got {name!r} without a valid signature")
                return 400
            is_bad = self._failed[path, name] < MOST_FAILURES and self._random.random() < BAD
            self._failed[path, name] += is_bad
            status = self._random.choice((0, 500, 503)) if is_bad else 204
            if status in (0, 204):
                self.received.append(Delivery(path, int(found[1]), body))
            return status

    def _is_signed(self, path: str, start: str, headers: dict[str, str], body: bytes) -> bool:
        key = b64decode(self.secrets[path].removeprefix("whsec_"))
        due = b64encode(digest(key, start.encode() + body, sha256)).decode()
        return compare_digest(headers.get("webhook-signature", ""), f"v1,{due}")


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if status := self.receiver.take(self.path, headers, body):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the output quiet."""
