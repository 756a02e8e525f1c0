"""Queue of scripted answers of the sandbox processor. Each is used once."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.processors.sandbox.store import Store

LONGEST = 30.0
"""Maximum delay of an answer in seconds, so that a typing error cannot block a thread for long."""


class AnswerKind(StrEnum):
    DECLINE = "decline"
    SLOW = "slow"
    """The card's usual answer, after a delay."""
    TIMEOUT_AFTER_CHARGE = "timeout_after_charge"
    """The charge is booked, but the answer is lost."""
    TIMEOUT_BEFORE_CHARGE = "timeout_before_charge"
    """The request is lost."""
    SERVER_ERROR = "server_error"
    REFUSE_TO_LOOK = "refuse_to_look"
    AUTHENTICATION_REQUIRED = "authentication_required"


@dataclass(frozen=True)
class NextAnswer:
    """A scripted answer. `last4` limits it to a card's last digits or to a payer's email address.

    An empty `last4` applies to the next charge of any method.
    """

    kind: AnswerKind
    decline_code: str = ""
    seconds: float = 0.0
    """Delay before the answer."""
    last4: str = ""


class AnswerQueue:
    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, answer: NextAnswer) -> None:
        seconds = min(max(answer.seconds, 0.0), LONGEST)
        with self._store.writing() as db:
            db.execute(
                "INSERT INTO answer (kind, decline_code, seconds, last4) VALUES (?, ?, ?, ?)",
                (answer.kind, answer.decline_code, seconds, answer.last4),
            )

    def listed(self) -> list[NextAnswer]:
        """Scripted answers, oldest first, in the order of use."""
        rows = self._store.db.execute(
            "SELECT kind, decline_code, seconds, last4 FROM answer ORDER BY id"
        )
        return [NextAnswer(AnswerKind(kind), *rest) for kind, *rest in rows]

    def clear(self) -> None:
        with self._store.writing() as db:
            db.execute("DELETE FROM answer")

    def take(self, last4: str) -> NextAnswer | None:
        """Remove and return the oldest answer for this card or payer."""
        # The queue is usually empty; then no write lock is taken.
        if self._store.db.execute("SELECT 1 FROM answer LIMIT 1").fetchone() is None:
            return None
        with self._store.writing() as db:
            row = db.execute(
                "SELECT * FROM answer WHERE last4 IN ('', ?) ORDER BY id LIMIT 1", (last4,)
            ).fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM answer WHERE id = ?", (row["id"],))
        return NextAnswer(
            AnswerKind(row["kind"]), row["decline_code"], row["seconds"], row["last4"]
        )
