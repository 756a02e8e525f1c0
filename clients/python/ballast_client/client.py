"""What is added to the generated client: safe repeats, and batches of usage."""

import atexit
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from ballast_client.generated import AuthenticatedClient
from ballast_client.generated.api.usage import post_usage
from ballast_client.generated.models import UsageAnswer, UsageProblem, UsageRecord, UsageRecords

ATTEMPTS = 6
BACKOFF = 0.5
"""Seconds before the first repeat; each later pause is twice as long."""
LONGEST_PAUSE = 60.0
"""Seconds."""
BATCH = 1_000
"""The most records that the API takes at once."""

KEY = "Idempotency-Key"
UNAVAILABLE = frozenset({429, 502, 503, 504})
DONE = frozenset({"posted", "duplicate", "ended"})


def connect(
    address: str, key: str, *, attempts: int = ATTEMPTS, backoff: float = BACKOFF, **options: Any
) -> AuthenticatedClient:
    """Return a client for the generated operations, which repeats requests where that is safe.

    `options` are those of `AuthenticatedClient`.
    """
    to_server = httpx.HTTPTransport(verify=options.get("verify_ssl", True))
    transport = Retrying(to_server, attempts, backoff)
    arguments = {"transport": transport, **options.pop("httpx_args", {})}
    return AuthenticatedClient(address, key, httpx_args=arguments, **options)


class Retrying(httpx.BaseTransport):
    """Repeats a request that got no answer, or that the server could not serve.

    Only reads, usage (a reference is posted once) and requests with an `Idempotency-Key` are
    repeated. Each POST and PATCH gets such a key, unless it has one.
    """

    def __init__(self, transport: httpx.BaseTransport, attempts: int, backoff: float) -> None:
        self._transport, self._attempts, self._backoff = transport, attempts, backoff

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method in ("POST", "PATCH") and not _is_usage(request):
            request.headers.setdefault(KEY, str(uuid4()))
        request.read()
        left = self._attempts if _is_repeatable(request) else 1
        pause = self._backoff
        while True:
            left -= 1
            asked = 0.0
            try:
                response = self._transport.handle_request(request)
            except httpx.TransportError:
                if left <= 0:
                    raise
            else:
                if left <= 0 or not _is_temporary(response):
                    return response
                asked = _retry_after(response)
                response.close()
            # Clients that failed together do not come back together.
            time.sleep(min(max(asked, pause * random.uniform(0.5, 1.0)), LONGEST_PAUSE))
            pause *= 2

    def close(self) -> None:
        self._transport.close()


def _is_usage(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/usage")


def _is_repeatable(request: httpx.Request) -> bool:
    return request.method in ("GET", "HEAD") or _is_usage(request) or KEY in request.headers


def _is_temporary(response: httpx.Response) -> bool:
    if response.status_code != 409:
        return response.status_code in UNAVAILABLE
    response.read()
    try:
        return bool(response.json().get("code") == "idempotency_in_progress")
    except ValueError:
        return False


def _retry_after(response: httpx.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


@dataclass(frozen=True)
class Refused:
    """A record that was not posted, and will not be by sending it again."""

    record: UsageRecord
    status: str
    """`conflict`, `invalid` or `too_large`; values may be added."""
    errors: dict[str, str]
    """The error of each field."""


class Unsent(Exception):
    """Records that could not be sent, oldest first. Sending them again later is safe."""

    def __init__(self, records: Sequence[UsageRecord], cause: str) -> None:
        super().__init__(f"{len(records)} usage records were not sent: {cause}")
        self.records = tuple(records)


class UsageQueue:
    """Posts usage in batches, from a thread of its own.

    A record leaves the queue only when the server has answered for it. `on_refused` gets the
    records of a batch that were not posted; it is called from that thread.
    """

    def __init__(
        self,
        client: AuthenticatedClient,
        *,
        on_refused: Callable[[Sequence[Refused]], object],
        seconds: float = 1.0,
        batch: int = BATCH,
    ) -> None:
        """`seconds`: how long a record waits for others at most."""
        self._client, self._on_refused = client, on_refused
        self._seconds, self._size = seconds, batch
        self._records: list[UsageRecord] = []
        self._change = Condition()
        self._is_closed, self._fault = False, ""
        self._thread = Thread(target=self._run, name="ballast usage", daemon=True)
        self._thread.start()
        # Before the interpreter ends its threads.
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, record: UsageRecord) -> None:
        """Queue a record. Raises `ValueError` after `close`."""
        with self._change:
            if self._is_closed:
                raise ValueError("the queue is closed")
            self._records.append(record)
            self._change.notify_all()

    def close(self) -> None:
        """Send what is queued, and end. Raises `Unsent` if that fails."""
        atexit.unregister(self.close)
        with self._change:
            self._is_closed = True
            self._change.notify_all()
        self._thread.join()
        records, self._records = self._records, []
        if records:
            raise Unsent(records, self._fault)

    def _run(self) -> None:
        while self._wait():
            records = self._records[: self._size]
            if not self._send(records):
                if self._is_closed:
                    return
                time.sleep(self._seconds)
                continue
            with self._change:
                del self._records[: len(records)]

    def _wait(self) -> bool:
        """Wait until a batch is due. Returns False at the end."""
        with self._change:
            self._change.wait_for(lambda: self._records or self._is_closed)
            self._change.wait_for(
                lambda: len(self._records) >= self._size or self._is_closed, self._seconds
            )
            return bool(self._records)

    def _send(self, records: Sequence[UsageRecord]) -> bool:
        """Return whether the server has answered for these records."""
        try:
            answer = post_usage.sync(client=self._client, body=UsageRecords(list(records)))
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            self._fault = str(error) or type(error).__name__
            return False
        if not isinstance(answer, (UsageAnswer, UsageProblem)) or not answer.records:
            self._fault = getattr(answer, "detail", "") or "the server did not answer in time"
            return False
        refused = [
            Refused(records[it.index], it.status, _errors(it))
            for it in answer.records
            if it.status not in DONE
        ]
        if refused:
            self._on_refused(refused)
        return True


def _errors(judgement: Any) -> dict[str, str]:
    return dict(getattr(judgement.errors, "additional_properties", {}))
