"""Brings webhooks to addresses that customers have chosen, and to no others that these lead to.

A name is resolved once, and each of its addresses is judged; then they are tried in turn, until the
time for the whole request is over. So a name that answers differently a moment later leads nowhere.
Redirects are not followed. Neither a slow nor a talkative receiver holds it up.
"""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address, ip_network
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from webapp.domain.shared.i18n import N_
from webapp.domain.shared.public_addresses import Address, is_public, unwrapped
from webapp.ports import Reply

SECONDS = 15.0
"""For one request, from the first packet to the last."""

LARGEST = 16 * 1024
"""Bytes of an answer that are read at most; a receiver has nothing to tell us but its status."""

PRIVATE = N_("The address is private. Your provider decides which of those may be reached.")
PLAIN = N_("Only private addresses are reached without https.")


class Refused(Exception):
    """Nothing was sent. Holds the sentence that says why, and its detail."""


class HttpWebhookSender:
    def __init__(self, allowed: Sequence[str] = (), seconds: float = SECONDS) -> None:
        """`allowed`: private networks that may be reached (WEBHOOK_ALLOWED_NETWORKS)."""
        self._allowed = [ip_network(text) for text in allowed]
        self._seconds = seconds

    def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Never raises for what a receiver does."""
        began = time.monotonic()
        try:
            status, said = self._post(urlsplit(url), headers, body, began + self._seconds)
        except Refused as refused:
            said, detail = refused.args
        except ssl.SSLError as error:
            said, detail = N_("TLS failed: %(detail)s"), str(error.reason or error)
        except (TimeoutError, OSError, HTTPException, ValueError) as error:
            if time.monotonic() - began >= self._seconds:
                said, detail = N_("No answer within %(detail)s seconds"), f"{self._seconds:g}"
            else:
                said, detail = _words(error)
        else:
            return Reply(status, said, _since(began))
        return Reply(None, said, _since(began), detail)

    def _post(
        self, url: SplitResult, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> tuple[int, str]:
        host, secure = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if secure else 80)
        addresses = self._judged(host, port, secure=secure)
        kind = _Secure if secure else _Plain
        connection = kind(host, port)
        connection.goes_to, connection.deadline = addresses, deadline
        path = url.path or "/"
        target = f"{path}?{url.query}" if url.query else path
        # A time-out of the socket is for one packet: a drop a second would go on for ever.
        end = Timer(max(0.0, deadline - time.monotonic()), _cut, [connection])
        end.start()
        try:
            connection.request("POST", target, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, _said(answer)
        finally:
            end.cancel()
            connection.close()

    def _judged(self, host: str, port: int, *, secure: bool) -> list[Address]:
        """Those to connect to, each once. One that may not be reached spoils them all."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Refused(N_("There is no host %(detail)s."), host) from None
        written = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
        addresses = [unwrapped(ip_address(text)) for text in written]
        for address in addresses:
            allowed = any(address in network for network in self._allowed)
            if not allowed and not is_public(address):
                raise Refused(PRIVATE, "")
            if not allowed and not secure:
                raise Refused(PLAIN, "")
        return addresses


class _Plain(HTTPConnection):
    goes_to: Sequence[Address]
    deadline: float

    def connect(self) -> None:
        self.sock = self.cut_off = _connected(self.goes_to, self.port, self.deadline)


class _Secure(HTTPSConnection):
    goes_to: Sequence[Address]
    deadline: float

    def connect(self) -> None:
        # Kept for whoever cuts it off, also while hands are shaken.
        self.sock = self.cut_off = _connected(self.goes_to, self.port, self.deadline)
        context = ssl.create_default_context()
        self.sock = self.cut_off = context.wrap_socket(self.sock, server_hostname=self.host)


def _connected(addresses: Sequence[Address], port: int, deadline: float) -> socket.socket:
    """To the first that answers. They are no names, so there is nothing more to resolve."""
    failure: OSError = TimeoutError()
    for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(left / untried)  # one that is silent leaves time for the others
            plain.connect((str(address), port))
            plain.settimeout(left)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    raise failure


def _cut(connection: _Plain | _Secure) -> None:
    with suppress(OSError, AttributeError):
        connection.cut_off.shutdown(socket.SHUT_RDWR)


def _said(answer: HTTPResponse) -> str:
    """What it says of itself where it is no success, as plain text."""
    if 300 <= answer.status < 400:
        return "It answers with a redirect, which is not followed."
    begun = answer.read(LARGEST).decode("utf-8", "replace")
    if 200 <= answer.status < 300:
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in begun).split())


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _words(error: Exception) -> tuple[str, str]:
    """The sentence that says why there was no answer, and its detail."""
    if isinstance(error, ConnectionRefusedError):
        return N_("The connection was refused"), ""
    if isinstance(error, ConnectionResetError):
        return N_("The connection was cut off"), ""
    detail = getattr(error, "strerror", None) or type(error).__name__
    return N_("No answer: %(detail)s"), detail
