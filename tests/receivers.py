"""A local webhook receiver with scripted responses: a real HTTP server on this machine."""

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
    """One status per request, then 204."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drip: float = 0.0
    """Seconds between the bytes of the response."""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(certificate=None, **options):
    """`certificate`: a file with a key and a certificate, for TLS."""
    receiver = Receiver(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            receiver.got.append((dict(self.headers), self.rfile.read(length)))
            try:
                self.answer(receiver.statuses.pop(0) if receiver.statuses else 204)
            except OSError:
                return  # the client closed the connection

        def answer(self, status):
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            for number in range(len(receiver.body) if receiver.drip else 0):
                self.wfile.write(receiver.body[number : number + 1])
                self.wfile.flush()
                time.sleep(receiver.drip)
            if not receiver.drip:
                self.wfile.write(receiver.body)

        def log_message(self, *args):
            """Keep the test output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    receiver.url = f"{scheme}://127.0.0.1:{server.server_port}/in"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
