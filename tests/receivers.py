"""A receiver of webhooks that answers as it is told: a real server on this machine."""

import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Receiver:
    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """One for each request; then 204."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drip: float = 0.0
    """Seconds between the bytes of its answer."""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(certificate=None, **told):
    """`certificate`: a file with a key and a certificate, for TLS."""
    it = Receiver(**told)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            it.got.append((dict(self.headers), self.rfile.read(length)))
            try:
                self.answer(it.statuses.pop(0) if it.statuses else 204)
            except OSError:
                return  # we were not waited for

        def answer(self, status):
            self.send_response(status)
            for name, value in it.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(it.body)))
            self.end_headers()
            for number in range(len(it.body) if it.drip else 0):
                self.wfile.write(it.body[number : number + 1])
                self.wfile.flush()
                time.sleep(it.drip)
            if not it.drip:
                self.wfile.write(it.body)

        def log_message(self, *told):
            """Nothing on the tests' screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    it.url = f"{scheme}://127.0.0.1:{server.server_port}/in"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
