"""The sandbox's books, and the clock offset that the sandbox controls."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from sqlite3 import Connection

from webapp.processors.sandbox.agreements import Agreements
from webapp.processors.sandbox.challenge_answers import ChallengeAnswers
from webapp.processors.sandbox.charges import Charge, ChargeBook
from webapp.processors.sandbox.refunds_and_disputes import RefundsAndDisputes
from webapp.processors.sandbox.scripted_responses import (
    LONGEST,
    AnswerKind,
    AnswerQueue,
    NextAnswer,
)
from webapp.processors.sandbox.store import Store
from webapp.processors.sandbox.vault import Vault

FARTHEST = timedelta(days=20 * 366)
"""Maximum clock offset: past any card's expiry, and well before the maximum date."""


class SandboxBooks:
    """Safe for use by several threads and processes at once."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self.vault = Vault(self._store)
        self.agreements = Agreements(self._store)
        self.desk = ChallengeAnswers(self._store, self.agreements)
        self.queue = AnswerQueue(self._store)
        self.book = ChargeBook(self._store)
        self.afterwards = RefundsAndDisputes(self._store, self.book)

    def clock_offset(self) -> timedelta:
        """How far the product's clock is ahead of the wall clock. Read at every `now`."""
        return timedelta(microseconds=int(self._store.setting("clock_offset", 0)))

    def advance_clock(self, by: timedelta) -> timedelta:
        """Advance the product's clock in all processes and return the new offset.

        Raises:
            ValueError: `by` is negative, or the offset would exceed `FARTHEST`.
        """
        with self._store.writing():
            offset = self.clock_offset() + by
            if by < timedelta(0) or offset > FARTHEST:
                raise ValueError(f"the clock cannot be moved by {by} to {offset} ahead")
            self._keep("clock_offset", offset // timedelta(microseconds=1))
        return offset

    @property
    def latency(self) -> float:
        """Seconds that every call takes; stored in whole milliseconds."""
        return int(self._store.setting("latency", 0)) / 1000

    @latency.setter
    def latency(self, seconds: float) -> None:
        with self._store.writing():
            self._keep("latency", round(min(max(seconds, 0.0), LONGEST) * 1000))

    def next_answers(self) -> list[NextAnswer]:
        """Scripted answers, oldest first, in the order of use."""
        return self.queue.listed()

    def queue_answer(
        self,
        kind: AnswerKind,
        *,
        decline_code: str = "",
        seconds: float = 0.0,
        last4: str = "",
    ) -> None:
        """Script the answer to the next charge, of the given card or payer or of any."""
        self.queue.put(NextAnswer(AnswerKind(kind), decline_code, seconds, last4))

    def clear_answers(self) -> None:
        self.queue.clear()

    def charges(
        self,
        count: int = 20,
        *,
        keys: Sequence[str] | None = None,
        method_references: Sequence[str] = (),
    ) -> list[Charge]:
        """Charges, newest first. With `keys`, only charges with these keys or methods."""
        if keys is None:
            return self.book.last(count)
        return self.book.last_of(count, keys, method_references)

    def paid_charges(self) -> list[tuple[str, int, str]]:
        """Key, micros and currency of each paid charge, oldest first (L13)."""
        return self.book.paid()

    def view(self) -> AbstractContextManager[Connection]:
        """A consistent view of the books, for a backup."""
        return self._store.view()

    def replace_by(self, copy: Path) -> None:
        """Replace the contents by those of a copy, for a restore."""
        self._store.replace_by(copy)

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        self._store.close()

    def _keep(self, name: str, value: int) -> None:
        self._store.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))
