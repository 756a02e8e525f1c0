"""Kill points at the steps of a process of the product.

Steps surround each commit of the product, each call of a processor or the mail server, and each
commit of the sandbox's books. They are named after the running function: "settle.settle: before
commit".
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from tests.chaos.steps import ACTIONS, BOOKS, CALLS, DELIVER, SEND, at_books
from webapp.delivery.mailer import SmtpConnection
from webapp.delivery.webhook_sender import HttpWebhookSender
from webapp.processors.sandbox.base import PretendProcessor
from webapp.processors.sandbox.processor import SandboxPayPal, SandboxProcessor
from webapp.processors.sandbox.store import Store


class KillPoints:
    """Kills its own process group when it passes an armed step for the given time."""

    def __init__(self, armed: dict[str, int], trace: Path) -> None:
        self._armed = armed
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._passed: set[str] = set()
        self._lock = Lock()

    def at(self, place: str | None, when: str) -> None:
        if place is None:
            return
        step = f"{place}: {when}"
        with self._lock:
            if step not in self._passed:
                self._passed.add(step)
                self._note("passed", step)
            if step not in self._armed:
                return
            self._armed[step] -= 1
            if self._armed[step] <= 0:
                self._note("killed", step)
                os.killpg(0, signal.SIGKILL)

    def _note(self, what: str, step: str) -> None:
        os.write(self._trace, f"{what} {step}\n".encode())


def install(armed: dict[str, int], trace: Path) -> None:
    points = KillPoints(armed, trace)
    _at_commits(points)
    kinds: list[type] = [PretendProcessor, SandboxProcessor, SandboxPayPal]
    if os.environ.get("CARD_PROCESSOR") == "stripe":
        # Its library takes memory and time, which other runs do not need.
        from webapp.processors.stripe.processor import StripeProcessor

        kinds.append(StripeProcessor)
    for kind in kinds:
        for call in CALLS:
            if call in vars(kind):
                _around(points, kind, call)
    _around(points, SmtpConnection, SEND)
    _around(points, HttpWebhookSender, DELIVER)
    _at_commits_of_the_books(points)


def _at_commits(points: KillPoints) -> None:
    # This event fires after the flush, right before COMMIT is sent.
    @event.listens_for(Engine, "commit")
    def before(connection: Connection) -> None:
        if not _is_the_books(connection):
            points.at(_place(ACTIONS), "before commit")

    @event.listens_for(Session, "after_commit")
    def after(session: Session) -> None:
        if not _is_the_books(session.get_bind()):
            points.at(_place(ACTIONS), "after commit")


def _is_the_books(bind: Engine | Connection) -> bool:
    return str(bind.engine.url.database).endswith("sandbox.db")


def _around(points: KillPoints, kind: type, call: str) -> None:
    original = getattr(kind, call)

    @wraps(original)
    def watched(*args: object, **kwargs: object) -> object:
        place = _place(ACTIONS)
        points.at(place, f"before {call}")
        answer = original(*args, **kwargs)
        points.at(place, f"after {call}")
        return answer

    setattr(kind, call, watched)


def _at_commits_of_the_books(points: KillPoints) -> None:
    original = Store.writing

    @contextmanager
    def writing(store: Store) -> Iterator[object]:
        with original(store) as db:
            yield db
            place = _place(BOOKS)
            points.at(place and at_books(place), "before commit")
        points.at(place and at_books(place), "after commit")

    Store.writing = writing  # type: ignore[method-assign,assignment]


def _place(folder: Path) -> str | None:
    """Return the innermost running function of this folder, such as "settle.settle"."""
    inside = f"{folder}{os.sep}"
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(inside):
            return f"{Path(path).stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return None
