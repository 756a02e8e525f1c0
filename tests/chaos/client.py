"""An HTTP client that repeats unanswered requests."""

import time
from collections.abc import Sequence
from random import Random
from threading import Event

import requests

from tests.chaos.journal import Journal

TIMEOUT = (5.0, 60.0)
"""Seconds to connect and to wait for the response."""

PAUSE = 0.05
"""Seconds before a request is repeated."""

EXPECTED = {200, 201, 204, 301, 302, 303, 402, 404, 409, 410, 422}
"""Success, or an expected refusal: 402 for lack of balance; 404 if another window has removed the
record.
"""


class RunEnded(Exception):
    """The run ended before a request was answered."""


class Client:
    """Sends each request to a random web process."""

    def __init__(
        self,
        addresses: Sequence[str],
        journal: Journal,
        random: Random,
        over: Event,
        headers: dict[str, str] | None = None,
        *,
        also_expected: frozenset[int] = frozenset(),
    ) -> None:
        self.addresses, self.journal, self.random, self.over = addresses, journal, random, over
        self._expected = EXPECTED | also_expected
        self._session = requests.Session()
        self._session.headers.update(headers or {})

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path)

    def post(self, path: str, **body: object) -> requests.Response:
        return self.ask("POST", path, **body)

    def ask(self, method: str, path: str, **body: object) -> requests.Response:
        """Repeat the request until the response is no server error. Raises `RunEnded`."""
        while True:
            answer = self.once(method, path, **body)
            if answer is not None and answer.status_code < 500:
                return answer
            if self.over.is_set():
                raise RunEnded
            time.sleep(PAUSE)

    def once(self, method: str, path: str, **body: object) -> requests.Response | None:
        """Return None if the connection broke, as when the server is killed."""
        sent_at = time.monotonic()
        url = f"{self.random.choice(self.addresses)}{path}"
        try:
            answer = self._session.request(
                method, url, timeout=TIMEOUT, allow_redirects=False, **body
            )
        except requests.Timeout:
            self.journal.fault(f"{method} {path}: no answer within {TIMEOUT[1]:g} s")
            return None
        except requests.RequestException:
            self.journal.count_lost_connection()
            return None
        self.journal.count_response(answer.status_code)
        if answer.ok:
            self.journal.record_success(path, sent_at)
        if not self._is_expected(answer):
            text = " ".join(answer.text.split())[:200]
            self.journal.fault(f"{method} {path}: {answer.status_code} {text}")
        return answer

    def _is_expected(self, answer: requests.Response) -> bool:
        """A 503 is expected only from the product itself, which sends Retry-After."""
        is_from_product = answer.status_code != 503 or "Retry-After" in answer.headers
        return answer.status_code in self._expected and is_from_product

    def clone(self) -> "Client":
        """Return another window of the same browser."""
        random = Random(self.random.random())
        other = Client(
            self.addresses, self.journal, random, self.over, also_expected=frozenset(self._expected)
        )
        other._session.headers.update(self._session.headers)
        other._session.cookies.update(self._session.cookies)
        return other
