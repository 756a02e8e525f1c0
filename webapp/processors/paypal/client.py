"""HTTP client of PayPal's REST API: access tokens, timeouts and replies."""

import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from webapp.clock import Clock
from webapp.ports import RequestRejected, Unknown

CONNECT, READ = 5.0, 30.0
"""Timeouts in seconds. PayPal usually answers a capture within a few seconds."""

MARGIN = 60.0
"""Seconds before its expiry at which an access token is replaced."""


class NoAnswer(Exception):
    """It is not known whether the request had an effect. str() is a line for the operator."""


class NotSent(NoAnswer):
    """The request was not made or cannot have moved money."""


@dataclass(frozen=True)
class Reply:
    status: int
    body: dict[str, Any]
    at: datetime
    """Time by PayPal's clock, in whole seconds."""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def issue(self) -> str:
        """The most specific error name in the reply."""
        for detail in self.body.get("details") or ():
            if isinstance(detail, dict) and detail.get("issue"):
                return str(detail["issue"])
        return str(self.body.get("name") or self.body.get("error") or "")

    def link(self, *relations: str) -> str:
        """The URL of the first link with one of these relations, or an empty string."""
        found = {link.get("rel"): link.get("href", "") for link in self.body.get("links") or ()}
        return next((found[relation] for relation in relations if relation in found), "")

    def __str__(self) -> str:
        """A line for the operator with PayPal's debug id, which its support asks for."""
        debug = self.body.get("debug_id")
        parts = (
            f"PayPal answered {self.status}",
            self.issue,
            f"(debug id {debug})" if debug else "",
        )
        return " ".join(part for part in parts if part)


def no_answer(reply: Reply) -> Unknown | RequestRejected:
    """The answer to an unsuccessful reply: `Unknown` if the request may have had an effect."""
    unknown = reply.status in (408, 409) or reply.status >= 500 or reply.is_ok
    return Unknown(str(reply)) if unknown else RequestRejected(str(reply))


class Client:
    """Thread-safe client."""

    def __init__(
        self,
        base: str,
        client_id: str,
        secret: str,
        clock: Clock,
        timeout: tuple[float, float] = (CONNECT, READ),
    ) -> None:
        self._base = base
        self._account = (client_id, secret)
        self._clock = clock
        self._timeout = timeout
        self._threads = threading.local()
        self._renewing = threading.Lock()
        self._token = ""
        self._token_ends = 0.0
        self._scopes: frozenset[str] = frozenset()

    def scopes(self) -> frozenset[str]:
        """The OAuth scopes of the app's access token. Raises `NotSent`."""
        self._authorization()
        return self._scopes

    def renew_access(self) -> None:
        """Request a new access token for the next call, because a token's scopes never change."""
        with self._renewing:
            self._token = ""

    def get(self, path: str) -> Reply:
        return self._call("GET", path, None, "")

    def post(self, path: str, body: dict[str, Any], request_id: str = "") -> Reply:
        """POST; PayPal executes a `request_id` once, and remembers it for some hours."""
        return self._call("POST", path, json.dumps(body).encode(), request_id)

    def post_text(self, path: str, text: bytes) -> Reply:
        """POST JSON unchanged, byte for byte."""
        return self._call("POST", path, text, "")

    def delete(self, path: str) -> Reply:
        return self._call("DELETE", path, None, "")

    def _call(self, method: str, path: str, body: bytes | None, request_id: str) -> Reply:
        """Send the request, with a new access token if needed. Raises `NoAnswer`."""
        token = self._authorization()
        reply = self._send(method, path, body, request_id, token)
        if reply.status == 401:
            # The token was revoked or expired early; PayPal has not processed the request.
            self._forget(token)
            reply = self._send(method, path, body, request_id, self._authorization())
        return reply

    def _send(
        self, method: str, path: str, body: bytes | None, request_id: str, token: str
    ) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Prefer": "return=representation"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if request_id:
            headers["PayPal-Request-Id"] = request_id
        try:
            response = self._session.request(
                method,
                self._base + path,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise NoAnswer(f"PayPal did not answer ({type(error).__name__})") from error
        return self._reply(response)

    def _reply(self, response: requests.Response) -> Reply:
        try:
            body = response.json() if response.content else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            if response.ok:
                raise NoAnswer(f"PayPal answered {response.status_code} with invalid JSON")
            body = {}
        return Reply(response.status_code, body, self._time_of(response))

    def _time_of(self, response: requests.Response) -> datetime:
        try:
            return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            return self._clock.now()

    def _authorization(self) -> str:
        """A valid access token. Raises `NotSent`."""
        with self._renewing:
            if not self._token or time.monotonic() >= self._token_ends:
                self._renew()
            return self._token

    def _renew(self) -> None:
        try:
            response = self._session.post(
                f"{self._base}/v1/oauth2/token",
                data={"grant_type": "client_credentials"},
                auth=self._account,
                timeout=self._timeout,
                allow_redirects=False,
            )
            reply = self._reply(response)
        except (requests.RequestException, NoAnswer) as error:
            raise NotSent(f"PayPal returned no access token ({type(error).__name__})") from error
        if not reply.is_ok or not isinstance(reply.body.get("access_token"), str):
            raise NotSent(f"{reply}; check PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET")
        self._token = reply.body["access_token"]
        self._scopes = frozenset(str(reply.body.get("scope") or "").split())
        lasts = float(reply.body.get("expires_in") or 0)
        self._token_ends = time.monotonic() + max(lasts - MARGIN, 0.0)

    def _forget(self, token: str) -> None:
        with self._renewing:
            if self._token == token:
                self._token = ""

    @property
    def _session(self) -> requests.Session:
        """A session per thread, because sessions are not thread-safe."""
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
        return session
