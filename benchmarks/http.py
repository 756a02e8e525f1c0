"""HTTP requests as bytes, built once and sent thousands of times."""

from urllib.parse import urlencode

import requests

from benchmarks.servers import Server

AS_A_BROWSER = "Accept-Encoding: gzip, deflate, br, zstd\r\n"


def get(server: Server, path: str, browser: requests.Session | None = None) -> bytes:
    return _request("GET", server, path, _cookie(browser))


def post_form(
    server: Server, path: str, fields: dict[str, str], browser: requests.Session, page: str
) -> bytes:
    """A form POST as htmx sends it from `page`."""
    head = (
        f"{_cookie(browser)}HX-Request: true\r\nHX-Current-URL: {server.url}{page}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\n"
    )
    return _request("POST", server, path, head, urlencode(fields).encode())


def post_json(server: Server, path: str, body: bytes, key: str) -> bytes:
    head = f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    return _request("POST", server, path, head, body)


def _request(method: str, server: Server, path: str, head: str, body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    lines = f"{method} {path} HTTP/1.1\r\n{host}{AS_A_BROWSER}{head}{length}\r\n"
    return lines.encode() + body


def _cookie(browser: requests.Session | None) -> str:
    if browser is None:
        return ""
    return "Cookie: " + "; ".join(f"{c.name}={c.value}" for c in browser.cookies) + "\r\n"
