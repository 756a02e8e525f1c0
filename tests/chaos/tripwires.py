"""Tripwires at the seams between the rows, laid inside a process of the product.

A seam is a commit of the product's, a call of a processor or of the mail server, and a commit of
the sandbox's own books. Each has a step before it and one after it, named after the function that
stands there, so that the steps find themselves: "settle.settle: before commit".
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from tests.chaos.steps import ACTIONS, BOOKS, CALLS, DELIVER, SEND, at_books
from webapp.delivery.mailer import SmtpConnection
from webapp.delivery.webhook_sender import HttpWebhookSender
from webapp.processors.sandbox.base import PretendProcessor
from webapp.processors.sandbox.paypal import SandboxPayPal
from webapp.processors.sandbox.processor import SandboxProcessor
from webapp.processors.sandbox.store import Store


class Tripwires:
    """Kills its own process group at an armed step, the so-many-th time it comes by."""

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


def lay(armed: dict[str, int], trace: Path) -> None:
    wires = Tripwires(armed, trace)
    _at_commits(wires)
    kinds: list[type] = [PretendProcessor, SandboxProcessor, SandboxPayPal]
    if os.environ.get("CARD_PROCESSOR") == "stripe":
        # Its library takes memory and time, which other runs need not spend.
        from webapp.processors.stripe.processor import StripeProcessor

        kinds.append(StripeProcessor)
    for kind in kinds:
        for call in CALLS:
            if call in vars(kind):
                _around(wires, kind, call)
    _around(wires, SmtpConnection, SEND)
    _around(wires, HttpWebhookSender, DELIVER)
    _at_commits_of_the_books(wires)


def _at_commits(wires: Tripwires) -> None:
    # The engine's event comes when all is flushed, right before COMMIT is sent.
    @event.listens_for(Engine, "commit")
    def before(connection: object) -> None:
        wires.at(_place(ACTIONS), "before commit")

    @event.listens_for(Session, "after_commit")
    def after(session: object) -> None:
        wires.at(_place(ACTIONS), "after commit")


def _around(wires: Tripwires, kind: type, call: str) -> None:
    original = getattr(kind, call)

    @wraps(original)
    def watched(*args: object, **more: object) -> object:
        place = _place(ACTIONS)
        wires.at(place, f"before {call}")
        answer = original(*args, **more)
        wires.at(place, f"after {call}")
        return answer

    setattr(kind, call, watched)


def _at_commits_of_the_books(wires: Tripwires) -> None:
    original = Store.writing

    @contextmanager
    def writing(store: Store) -> Iterator[object]:
        with original(store) as db:
            yield db
            place = _place(BOOKS)
            wires.at(place and at_books(place), "before commit")
        wires.at(place and at_books(place), "after commit")

    Store.writing = writing  # type: ignore[method-assign,assignment]


def _place(room: Path) -> str | None:
    """ "settle.settle": the innermost function that is under way in this room."""
    inside = f"{room}{os.sep}"
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(inside):
            return f"{Path(path).stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return None
