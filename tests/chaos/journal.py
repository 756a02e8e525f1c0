"""What the traffic has asked for, and what it was told: the run's own memory, kept apart from the
product's.
"""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

USAGE = "/api/v1/usage"


@dataclass
class Debit:
    account_id: int
    amount: int
    """Micros, above zero."""
    answered: bool = False
    """201, and this record among what is posted."""


@dataclass
class Hold:
    account_id: int
    answered: bool = False
    """200 or 201: it is open."""
    given_up: bool = False
    """Its call came to nothing, and it was asked to be released."""


@dataclass
class ByHand:
    """An operator's credit (or debit, below zero) under words of its own."""

    account_id: int
    amount: int
    answered: bool = False


@dataclass
class Journal:
    debits: dict[str, Debit] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    adjustments: dict[str, ByHand] = field(default_factory=dict)
    """By their reason."""
    wires: dict[int, ByHand] = field(default_factory=dict)
    """Completed, by the request's id."""
    decided: set[int] = field(default_factory=set)
    """Attempts that waited for an operator, and that one has decided."""
    forms: dict[str, int] = field(default_factory=dict)
    """Account by the key of a form that asks for a payment."""
    deeds: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    """By status."""
    lost: int = 0
    """Requests whose connection broke."""
    good_since: dict[str, float] = field(default_factory=dict)
    """When the latest of those requests was sent that had a good answer, by path."""
    faults: list[str] = field(default_factory=list)
    """What nobody should have seen."""
    _lock: Lock = field(default_factory=Lock)

    def did(self, deed: str) -> None:
        with self._lock:
            self.deeds[deed] += 1

    def answered_of(self, account_id: int) -> list[tuple[str, Debit]]:
        """Debits of an account, by their reference."""
        debits = self.debits.copy()  # others go on adding to it
        mine = debits.items()
        return [(ref, one) for ref, one in mine if one.answered and one.account_id == account_id]

    def was_told(self, status: int) -> None:
        with self._lock:
            self.answers[str(status)] += 1

    def was_good(self, path: str, sent_at: float) -> None:
        with self._lock:
            self.good_since[path] = max(sent_at, self.good_since.get(path, 0.0))

    def was_lost(self) -> None:
        with self._lock:
            self.lost += 1

    def fault(self, words: str) -> None:
        with self._lock:
            self.faults.append(words)
