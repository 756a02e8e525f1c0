"""`python -m benchmarks.mail_sink PORT FILE`: a mail server that takes every email at once.

Each goes into FILE as one line: the monotonic time, and its Message-ID.
"""

import re
import signal
import sys
import time
from pathlib import Path
from typing import IO, Any

from aiosmtpd.controller import Controller

MESSAGE_ID = re.compile(rb"^Message-ID: <(.*)>", re.MULTILINE)


class Sink:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        found = MESSAGE_ID.search(envelope.content)
        self._file.write(f"{time.monotonic()} {found[1].decode() if found else ''}\n")
        return "250 OK"


def main(port: int, path: Path) -> None:
    with path.open("w", encoding="utf-8", buffering=1) as file:
        controller = Controller(Sink(file), hostname="127.0.0.1", port=port)
        controller.start()
        signal.sigwait({signal.SIGTERM})
        controller.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(int(sys.argv[1]), Path(sys.argv[2]))
