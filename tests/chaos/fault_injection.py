"""Fault injection: the processor's faults, the mail server's states, and passing time."""

import time
from datetime import timedelta
from random import Random

from tests.chaos.installation import Installation
from tests.chaos.mail_server import MailServer, ServerState
from webapp.processors.sandbox.records import AnswerKind

ANSWERS = {
    AnswerKind.DECLINE: 5,
    AnswerKind.SLOW: 3,
    AnswerKind.TIMEOUT_AFTER_CHARGE: 5,
    AnswerKind.TIMEOUT_BEFORE_CHARGE: 2,
    AnswerKind.SERVER_ERROR: 1,
    AnswerKind.REFUSE_TO_LOOK: 12,
    AnswerKind.AUTHENTICATION_REQUIRED: 5,
}

DECLINES = ("insufficient_funds", "insufficient_funds", "generic_decline", "stolen_card")

LATENCY = 0.1
"""Seconds that each call of the processor takes."""

SLOW = 0.6
"""Maximum additional seconds."""

WHILE_RUNNING = {
    timedelta(seconds=11): 6,
    timedelta(seconds=61): 3,
    timedelta(minutes=5): 1,
}
"""Clock steps while processes run, with weights."""

BETWEEN_OUTAGES = timedelta(minutes=25)
"""Maximum advance of the clock during a call: after half an hour "not known" is final (L10)."""

OUTAGES = {
    timedelta(0): 3,
    timedelta(minutes=31): 4,
    timedelta(hours=2): 2,
    timedelta(hours=24): 1,
    timedelta(hours=49): 3,
}
"""Durations of simulated host outages, with weights; no call is open during them."""

OLDEST_OWED = "SELECT min(created_at) FROM notice WHERE state = 'owed'"

OLDEST_MAIL = timedelta(hours=60)
"""Maximum age that an outage may cause; emails are given up after three days."""

OLD_MAIL = timedelta(hours=40)
"""Above this age, the mail server stays up until the email is sent."""


class FaultInjector:
    def __init__(self, installation: Installation, mails: MailServer, random: Random) -> None:
        self._installation, self._mails, self._random = installation, mails, random
        installation.books.latency = LATENCY
        self._passed = timedelta(0)
        """Time since the last outage."""
        self._is_email_old = False
        self._next = dict.fromkeys(("answer", "state", "clock"), time.monotonic())

    def plan_outage(self) -> timedelta:
        """Return the duration of the next outage."""
        self._passed = timedelta(0)
        drawn = self._random.choices(list(OUTAGES), list(OUTAGES.values()))[0]
        oldest = self._installation.database.instant(OLDEST_OWED)
        age = self._installation.now - oldest if oldest else timedelta(0)
        lasts = max(min(drawn, OLDEST_MAIL - age), timedelta(0))
        self._is_email_old = oldest is not None and age + lasts > OLD_MAIL
        return lasts

    def act(self) -> None:
        now = time.monotonic()
        if now > self._next["answer"]:
            self._plan("answer", 1)
            self._queue_an_answer()
        if now > self._next["state"]:
            self._plan("state", 2)
            state = self._random.choices(list(ServerState), (7, 1, 1, 1))[0]
            self._mails.set_state(ServerState.UP if self._is_email_old else state)
        if now > self._next["clock"]:
            self._plan("clock", 2)
            self._advance_clock()

    def end(self) -> None:
        self._mails.set_state(ServerState.UP)
        self._installation.books.clear_answers()
        self._installation.books.latency = 0

    def _queue_an_answer(self) -> None:
        books = self._installation.books
        if len(books.next_answers()) > 2:
            return
        kind = self._random.choices(list(ANSWERS), list(ANSWERS.values()))[0]
        seconds = self._random.uniform(0, SLOW) if kind is AnswerKind.SLOW else 0.0
        books.queue_answer(kind, decline_code=self._random.choice(DECLINES), seconds=seconds)

    def _advance_clock(self) -> None:
        step = self._random.choices(list(WHILE_RUNNING), list(WHILE_RUNNING.values()))[0]
        if self._passed + step <= BETWEEN_OUTAGES:
            self._passed += step
            self._installation.advance_clock(step)

    def _plan(self, what: str, seconds: float) -> None:
        """Schedule the next event after this many seconds on average."""
        self._next[what] = time.monotonic() + self._random.uniform(0.5, 1.5) * seconds
