"""The queue of next answers: how the pretend processor is told to misbehave, once each."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.processors.sandbox.store import Store

LONGEST = 30.0
"""Seconds that an answer may take, so that a mistyped number cannot hold a thread for an hour."""


class AnswerKind(StrEnum):
    DECLINE = "decline"
    SLOW = "slow"
    """Takes its seconds, then answers as the card says."""
    TIMEOUT_AFTER_CHARGE = "timeout_after_charge"
    """Books what the card says, but the answer is lost."""
    TIMEOUT_BEFORE_CHARGE = "timeout_before_charge"
    """The request never arrives."""
    SERVER_ERROR = "server_error"
    REFUSE_TO_LOOK = "refuse_to_look"
    AUTHENTICATION_REQUIRED = "authentication_required"


@dataclass(frozen=True)
class NextAnswer:
    """`last4` binds it to one card, a payer's e-mail there to one PayPal agreement.

    Empty, it is for whichever is charged next.
    """

    kind: AnswerKind
    decline_code: str = ""
    seconds: float = 0.0
    """Taken before answering, whatever the kind."""
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
        """Oldest first, as they will be used."""
        rows = self._store.db.execute(
            "SELECT kind, decline_code, seconds, last4 FROM answer ORDER BY id"
        )
        return [NextAnswer(AnswerKind(kind), *rest) for kind, *rest in rows]

    def clear(self) -> None:
        with self._store.writing() as db:
            db.execute("DELETE FROM answer")

    def take(self, last4: str) -> NextAnswer | None:
        """The oldest answer for this card or payer, which is thereby used."""
        # Nearly always there is none: then no charge waits for a writer's lock here.
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
