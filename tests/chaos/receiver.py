"""Who receives an account's webhooks: verifies them, keeps what it got, and has bad moments."""

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
"""Of one event: whoever fails for days is switched off, which no bad moment is to cause."""

BAD = 0.2
"""The share of requests that such a moment meets."""

MESSAGE_ID = re.compile(r"evt_(\d{12})")


@dataclass(frozen=True)
class Told:
    path: str
    """An address of one endpoint's own."""
    event_id: int
    body: bytes


class Receiver:
    def __init__(self, random: Random) -> None:
        self._random, self._lock = random, Lock()
        self._failed: Counter[tuple[str, str]] = Counter()
        self.received: list[Told] = []
        self.faults: list[str] = []
        self.secrets: dict[str, str] = {}
        """By path: what its requests are signed with."""
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
        """The status; 0 where it takes the event, and the line breaks before it says so."""
        name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        found = MESSAGE_ID.fullmatch(name)
        with self._lock:
            if found is None or not self._is_signed(path, f"{name}.{stamp}.", headers, body):
                self.faults.append(f"{path} was told {name!r} without a signature that holds")
                return 400
            is_bad = self._failed[path, name] < MOST_FAILURES and self._random.random() < BAD
            self._failed[path, name] += is_bad
            status = self._random.choice((0, 500, 503)) if is_bad else 204
            if status in (0, 204):
                self.received.append(Told(path, int(found[1]), body))
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

    def log_message(self, *told: object) -> None:
        """Nothing on the screen."""
