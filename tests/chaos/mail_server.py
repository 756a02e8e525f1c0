"""The mail server that the product hands its mails to: it keeps what it got, and has bad hours."""

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


class Mood(StrEnum):
    UP = "up"
    DOWN = "down"
    """Nobody listens."""
    REFUSES = "refuses"
    """ "Try later", after the whole mail was sent."""
    HANGS_UP = "hangs up"
    """It has the mail, and the line breaks before it says so."""


@dataclass(frozen=True)
class Received:
    message_id: str
    recipient: str


class MailServer:
    def __init__(self, port: int) -> None:
        self.received: list[Received] = []
        self._links: dict[str, list[str]] = defaultdict(list)
        self._mood = Mood.DOWN
        self.port = port
        self._controller: Controller | None = None
        self._lock = Lock()
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def be(self, mood: Mood) -> None:
        self._mood = mood
        if mood is Mood.DOWN:
            self.stop()
        elif self._controller is None:
            self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
            self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def take_link(self, email: str) -> str:
        """A link to confirm a payment by, out of a mail to this address; empty without any."""
        with self._lock:
            links = self._links[email]
            return links.pop(0) if links else ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self._mood is Mood.REFUSES:
            return "451 Try later"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text = mail.get_body(("plain",)).get_content()
        with self._lock:
            for recipient in envelope.rcpt_tos:
                self.received.append(Received(mail["Message-ID"].strip("<>"), recipient))
                self._links[recipient] += LINK.findall(text)
        if self._mood is Mood.HANGS_UP:
            server.transport.abort()
        return "250 Taken"
