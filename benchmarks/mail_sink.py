"""`python -m benchmarks.mail_sink PORT FILE`: a mail server that accepts every email at once.

Each email becomes a line of FILE: monotonic time and Message-ID. It implements only as much of SMTP
(RFC 5321) as needed, so that it does not limit the measurement.
"""

import re
import sys
import time
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import IO

MESSAGE_ID = re.compile(rb"^Message-ID: <(.*)>", re.MULTILINE)

TEXT_FOLLOWS = b"354 Go on\r\n"
OK = b"250 OK\r\n"
BYE = b"221 Bye\r\n"


class Conversation(StreamRequestHandler):
    server: "Sink"

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(TEXT_FOLLOWS)
                self._take()
            self.wfile.write(BYE if command == b"QUIT" else OK)
            if command == b"QUIT":
                return

    def _take(self) -> None:
        text = b"".join(iter(self.rfile.readline, b".\r\n"))
        found = MESSAGE_ID.search(text)
        self.server.file.write(f"{time.monotonic()} {found[1].decode() if found else '?'}\n")


class Sink(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    file: IO[str]


def main(port: int, path: Path) -> None:
    with (
        Sink(("127.0.0.1", port), Conversation) as sink,
        path.open("w", encoding="utf-8", buffering=1) as sink.file,
    ):
        sink.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
