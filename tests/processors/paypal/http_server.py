"""The stand-in's HTTP server, which can fail requests."""

import json
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit
from wsgiref.handlers import format_date_time

PEOPLE = ("/agree", "/checkoutnow")


def handler_of(stand_in):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._serve("GET")

        def do_POST(self):
            self._serve("POST")

        def do_DELETE(self):
            self._serve("DELETE")

        def _serve(self, method):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            if url.path in PEOPLE:
                return self._serve_page(method, url, raw)
            failure = stand_in.next_failure(f"{method} {url.path}")
            kind, _, seconds = failure or ("", "", 0.0)
            time.sleep(seconds)
            if kind == "lose_request":
                return self._hang_up()
            if isinstance(kind, int):
                return self._send_json(kind, stand_in.error(kind))
            status, body = stand_in.answer(method, self.path, self.headers, raw)
            if kind == "lose_answer":
                return self._hang_up()
            return self._send_json(status, body)

        def _serve_page(self, method, url, raw):
            query = parse_qs(url.query)
            if method == "GET":
                status, text = stand_in.page(url.path, query)
                return self._send(status, text.encode(), "text/html; charset=utf-8")
            where = stand_in.decide(url.path, query, parse_qs(raw.decode()))
            return self._send(303, b"", "text/plain", {"Location": where})

        def _hang_up(self):
            self.close_connection = True

        def _send_json(self, status, body):
            content = b"" if body is None else json.dumps(body).encode()
            self._send(status, content, "application/json")

        def _send(self, status, content, kind, headers=()):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def date_time_string(self, timestamp=None):
            return format_date_time(stand_in.now().timestamp())

        def log_message(self, *_):
            pass

    return Handler
