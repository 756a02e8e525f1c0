"""The run's own record of requests and responses, independent of the product's data."""

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
    """Answered with 201, and reported as posted."""


@dataclass
class Hold:
    account_id: int
    answered: bool = False
    """Answered with 200 or 201: the hold is open."""
    given_up: bool = False
    """The call did not take place, and the hold's release was requested."""


@dataclass
class OperatorPosting:
    """An operator's credit, or a debit if negative, identified by its note."""

    account_id: int
    amount: int
    answered: bool = False


@dataclass
class Journal:
    debits: dict[str, Debit] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    adjustments: dict[str, OperatorPosting] = field(default_factory=dict)
    """By reason."""
    wires: dict[int, OperatorPosting] = field(default_factory=dict)
    """Completed wire requests, by id."""
    decided: set[int] = field(default_factory=set)
    """Ids of attempts that waited for an operator and were decided."""
    forms: dict[str, int] = field(default_factory=dict)
    """Account id by the request key of a payment form."""
    actions: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    """By status."""
    lost: int = 0
    """Requests whose connection broke."""
    last_success: dict[str, float] = field(default_factory=dict)
    """Latest sending time of a successful request, by path."""
    faults: list[str] = field(default_factory=list)
    """Responses and errors that should not occur."""
    _lock: Lock = field(default_factory=Lock)

    def count_action(self, action: str) -> None:
        with self._lock:
            self.actions[action] += 1

    def answered_of(self, account_id: int) -> list[tuple[str, Debit]]:
        """Answered debits of an account, with their references."""
        debits = self.debits.copy()  # other threads add to it meanwhile
        mine = debits.items()
        return [
            (ref, debit) for ref, debit in mine if debit.answered and debit.account_id == account_id
        ]

    def count_response(self, status: int) -> None:
        with self._lock:
            self.answers[str(status)] += 1

    def record_success(self, path: str, sent_at: float) -> None:
        with self._lock:
            self.last_success[path] = max(sent_at, self.last_success.get(path, 0.0))

    def count_lost_connection(self) -> None:
        with self._lock:
            self.lost += 1

    def fault(self, message: str) -> None:
        with self._lock:
            self.faults.append(message)
