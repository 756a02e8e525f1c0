"""Mail server of the run: records emails and injects faults."""

import logging
import re
from collections import defaultdict
from dataclasses import dataclass
from email import message_from_bytes, policy
from enum import StrEnum
from threading import Lock
from typing import Any

from aiosmtpd.controller import Controller

LINK = re.compile(r"/billing/authentications/[\w.\-]+")


class ServerState(StrEnum):
    UP = "up"
    DOWN = "down"
    """The server does not listen."""
    REFUSES = "refuses"
    """Answers "try later" after receiving the whole email."""
    HANGS_UP = "hangs up"
    """Accepts the email, but closes the connection before the response."""


@dataclass(frozen=True)
class Received:
    message_id: str
    recipient: str


class MailServer:
    def __init__(self, port: int) -> None:
        self.received: list[Received] = []
        self._links: dict[str, list[str]] = defaultdict(list)
        self._state = ServerState.DOWN
        self.port = port
        self._controller: Controller | None = None
        self._lock = Lock()
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def set_state(self, state: ServerState) -> None:
        self._state = state
        if state is ServerState.DOWN:
            self.stop()
        elif self._controller is None:
            self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
            self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def take_link(self, email: str) -> str:
        """Take a payment confirmation link emailed to this address, or an empty string."""
        with self._lock:
            links = self._links[email]
            return links.pop(0) if links else ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self._state is ServerState.REFUSES:
            return "451 Try later"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text = mail.get_body(("plain",)).get_content()
        with self._lock:
            for recipient in envelope.rcpt_tos:
                self.received.append(Received(mail["Message-ID"].strip("<>"), recipient))
                self._links[recipient] += LINK.findall(text)
        if self._state is ServerState.HANGS_UP:
            server.transport.abort()
        return "250 Taken"
