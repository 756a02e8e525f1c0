"""A client over HTTP, as a browser or a meter is one: it repeats what was not answered."""

import time
from collections.abc import Sequence
from random import Random
from threading import Event

import requests

from tests.chaos.journal import Journal

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and to wait for the answer."""

PAUSE = 0.05
"""Seconds before a request is repeated."""

FINE = {200, 201, 204, 301, 302, 303, 404, 409, 410, 422}
"""An answer, or a refusal in plain words; a record that another window has removed is not found."""


class Over(Exception):
    """The run ends, and something was not answered."""


class Client:
    """Knows the addresses of every web process, and takes any of them."""

    def __init__(
        self,
        addresses: Sequence[str],
        journal: Journal,
        random: Random,
        over: Event,
        headers: dict[str, str] | None = None,
        *,
        also_fine: frozenset[int] = frozenset(),
    ) -> None:
        self.addresses, self.journal, self.random, self.over = addresses, journal, random, over
        self._fine = FINE | also_fine
        self._session = requests.Session()
        self._session.headers.update(headers or {})

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path)

    def post(self, path: str, **body: object) -> requests.Response:
        return self.ask("POST", path, **body)

    def ask(self, method: str, path: str, **body: object) -> requests.Response:
        """Until there is an answer that is no error of the server's. Raises `Over`."""
        while True:
            answer = self.once(method, path, **body)
            if answer is not None and answer.status_code < 500:
                return answer
            if self.over.is_set():
                raise Over
            time.sleep(PAUSE)

    def once(self, method: str, path: str, **body: object) -> requests.Response | None:
        """None where the connection broke, as it does when the server is killed."""
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
            self.journal.was_lost()
            return None
        self.journal.was_told(answer.status_code)
        if answer.ok:
            self.journal.was_good(path, sent_at)
        if not self._is_fine(answer):
            words = " ".join(answer.text.split())[:200]
            self.journal.fault(f"{method} {path}: {answer.status_code} {words}")
        return answer

    def _is_fine(self, answer: requests.Response) -> bool:
        """Where the database fails over 503 is fine, as long as it is the product's own."""
        is_ours = answer.status_code != 503 or "Retry-After" in answer.headers
        return answer.status_code in self._fine and is_ours

    def twin(self) -> "Client":
        """Another window of the same browser."""
        random = Random(self.random.random())
        other = Client(
            self.addresses, self.journal, random, self.over, also_fine=frozenset(self._fine)
        )
        other._session.headers.update(self._session.headers)
        other._session.cookies.update(self._session.cookies)
        return other
