"""Send webhooks to endpoints chosen by customers, without reaching internal addresses (SSRF).

A host name is resolved once, all of its addresses are checked, and only these are tried in turn, so
that DNS rebinding has no effect. Redirects are not followed. Time and size limits protect against
slow receivers and large responses.
"""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from webapp.domain.shared.i18n import N_
from webapp.domain.shared.public_addresses import PRIVATE, Address, is_in, is_public, unwrapped
from webapp.ports import Reply

SECONDS = 15.0
"""Time limit for a whole request."""

LARGEST = 16 * 1024
"""Maximum bytes read of a response; only its status matters."""

PLAIN = N_("Without https, only private addresses are allowed.")


class Refused(Exception):
    """Nothing was sent. The arguments are a sentence that says why, and its detail."""


class HttpWebhookSender:
    def __init__(self, allowed: Sequence[str] = (), seconds: float = SECONDS) -> None:
        """`allowed`: private networks that may be reached (WEBHOOK_ALLOWED_NETWORKS)."""
        self._allowed = allowed
        self._seconds = seconds

    def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request. Failures of the receiver are returned, never raised."""
        began = time.monotonic()
        try:
            status, trouble = self._post(urlsplit(url), headers, body, began + self._seconds)
        except Refused as refused:
            trouble, detail = refused.args
        except ssl.SSLError as error:
            trouble, detail = N_("TLS failed: %(detail)s"), str(error.reason or error)
        except (TimeoutError, OSError, HTTPException, ValueError) as error:
            if time.monotonic() - began >= self._seconds:
                trouble, detail = N_("No answer within %(detail)s seconds"), f"{self._seconds:g}"
            else:
                trouble, detail = _describe(error)
        else:
            return Reply(status, trouble, _since(began))
        return Reply(None, trouble, _since(began), detail)

    def _post(
        self, url: SplitResult, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> tuple[int, str]:
        host, secure = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if secure else 80)
        addresses = self._allowed_addresses(host, port, secure=secure)
        kind = _Secure if secure else _Plain
        connection = kind(host, port)
        connection.addresses, connection.deadline = addresses, deadline
        path = url.path or "/"
        target = f"{path}?{url.query}" if url.query else path
        # The socket's timeout applies to each packet, so a receiver that sends slowly would never
        # reach it.
        end = Timer(max(0.0, deadline - time.monotonic()), _close_socket, [connection])
        end.start()
        try:
            connection.request("POST", target, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, _error_text(answer)
        finally:
            end.cancel()
            connection.close()

    def _allowed_addresses(self, host: str, port: int, *, secure: bool) -> list[Address]:
        """The host's addresses. Raises `Refused` if one of them is not allowed."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Refused(N_("The host %(detail)s was not found."), host) from None
        texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
        addresses = [unwrapped(ip_address(text)) for text in texts]
        for address in addresses:
            allowed = is_in(address, self._allowed)
            if not allowed and not is_public(address):
                raise Refused(PRIVATE, "")
            if not allowed and not secure:
                raise Refused(PLAIN, "")
        return addresses


class _Plain(HTTPConnection):
    addresses: Sequence[Address]
    deadline: float

    def connect(self) -> None:
        self.sock = self.open_socket = _connect(self.addresses, self.port, self.deadline)


class _Secure(HTTPSConnection):
    addresses: Sequence[Address]
    deadline: float

    def connect(self) -> None:
        # Kept so that the timer can close the socket during the TLS handshake, too.
        self.sock = self.open_socket = _connect(self.addresses, self.port, self.deadline)
        context = ssl.create_default_context()
        self.sock = self.open_socket = context.wrap_socket(self.sock, server_hostname=self.host)


def _connect(addresses: Sequence[Address], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers. Addresses are numeric: nothing is resolved."""
    failure: OSError = TimeoutError()
    for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(left / untried)  # a silent address leaves time for the others
            plain.connect((str(address), port))
            plain.settimeout(left)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    raise failure


def _close_socket(connection: _Plain | _Secure) -> None:
    with suppress(OSError, AttributeError):
        connection.open_socket.shutdown(socket.SHUT_RDWR)


def _error_text(answer: HTTPResponse) -> str:
    """The response's body as plain text; empty for a success."""
    if 300 <= answer.status < 400:
        return "The endpoint answered with a redirect, which is not followed."
    begun = answer.read(LARGEST).decode("utf-8", "replace")
    if 200 <= answer.status < 300:
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in begun).split())


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _describe(error: Exception) -> tuple[str, str]:
    """A sentence that says why there was no answer, and its detail."""
    if isinstance(error, ConnectionRefusedError):
        return N_("The connection was refused"), ""
    if isinstance(error, ConnectionResetError):
        return N_("The connection was cut off"), ""
    detail = getattr(error, "strerror", None) or type(error).__name__
    return N_("No answer: %(detail)s"), detail
