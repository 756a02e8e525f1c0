"""What stands in the tables after a run: the product's, and the pretend processor's own.

Read with plain SQL. The comparisons that follow share no line with the product, nor with
`flask ledger check`.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.databases import Database

if TYPE_CHECKING:
    from tests.chaos.stripe import StripeBooks

BY_HAND = "operator"
"""In the place of a processor, for what the provider's staff has posted."""

ATTEMPTS = """
SELECT a.id, a.payment_id, a.account_id, a.processor, a.key, a.amount, a.currency,
    p.top_up_id, p.request_key, a.retry_of_id, p.note
FROM attempt a JOIN payment p ON p.id = a.payment_id
"""

CHARGES = """
SELECT charge.key, charge.amount, charge.currency,
    CASE challenge.state
        WHEN 'completed' THEN challenge.decline_code = ''
        WHEN 'open' THEN 0 WHEN 'failed' THEN 0 WHEN 'cancelled' THEN 0
        ELSE charge.status = 'paid'
    END AS took_money
FROM charge LEFT JOIN challenge ON challenge.kind = 'charge' AND challenge.subject = charge.key
"""


@dataclass(frozen=True)
class Attempt:
    id: int
    payment_id: int
    account_id: int
    processor: str
    key: str
    amount: int
    currency: str
    top_up_id: int | None
    request_key: str | None
    retry_of_id: int | None
    """The failure that it repeats."""
    note: str


@dataclass(frozen=True)
class Charge:
    """Money that the pretend processor has taken."""

    key: str
    amount: int
    currency: str


@dataclass(frozen=True)
class TakenBack:
    """Money of a charge that the pretend processor has taken back."""

    reference: str
    key: str
    amount: int
    state: str


@dataclass(frozen=True)
class Reversal:
    """The same, as the product has followed it."""

    id: int
    reference: str
    state: str
    debit_id: int | None
    credit_id: int | None


Posted = list[tuple[int, int]]
"""Account and micros of ledger entries."""


class Found:
    """Read when it is first asked for, and then as it was."""

    def __init__(
        self, database: Database, home: Path, logs: Path, stripe: "StripeBooks | None" = None
    ) -> None:
        """`stripe` holds the cards' books where it is not the sandbox that does."""
        self._stripe = stripe
        self._database, self._books = database, home / "sandbox.db"
        self.home, self.logs = home, logs

    def rows(self, sql: str) -> Sequence[tuple]:
        return self._database.rows(sql)

    @property
    def fails_over(self) -> bool:
        return self._database.fails_over

    def count(self, what: str) -> int:
        return self.rows(f"SELECT count(*) FROM {what}")[0][0]

    def in_books(self, sql: str) -> Sequence[tuple]:
        with closing(sqlite3.connect(self._books, timeout=30)) as books:
            return books.execute(sql).fetchall()

    @cached_property
    def charges(self) -> list[Charge]:
        found = [Charge(*charge) for *charge, took_money in self.in_books(CHARGES) if took_money]
        return found + (self._stripe.charges if self._stripe else [])

    @cached_property
    def attempts(self) -> dict[str, Attempt]:
        """By their key."""
        attempts = (Attempt(*row) for row in self.rows(ATTEMPTS))
        return {attempt.key: attempt for attempt in attempts}

    @cached_property
    def taken_back(self) -> list[TakenBack]:
        rows = self.in_books("SELECT id, key, amount, state FROM taken_back")
        found = [TakenBack(*row) for row in rows]
        return found + (self._stripe.taken_back if self._stripe else [])

    @cached_property
    def methods_there(self) -> dict[str, bool]:
        """Saved at the processor, and whether they can still be charged."""
        saved = [*self.in_books("SELECT id, revoked_at FROM card")]
        saved += self.in_books("SELECT id, coalesce(revoked_at, cancelled_at) FROM agreement")
        found = {reference: ended_at is None for reference, ended_at in saved}
        return found | (self._stripe.methods if self._stripe else {})

    @property
    def events(self) -> list[tuple[str, str | None]]:
        """That the processor has told: name, and when it was taken."""
        found = [(name, at) for name, at in self.in_books("SELECT name, delivered_at FROM event")]
        return found + (self._stripe.events if self._stripe else [])

    @property
    def listed(self) -> set[str]:
        """Names of events that the product finds by itself, without being told (L17)."""
        return self._stripe.listed if self._stripe else set()

    @cached_property
    def reversals(self) -> list[Reversal]:
        rows = self.rows("SELECT id, reference, state, debit_id, credit_id FROM reversal")
        return [Reversal(*row) for row in rows]

    @property
    def booked_back(self) -> set[int | None]:
        """Payments by which money went back, and came again."""
        return {number for one in self.reversals for number in (one.debit_id, one.credit_id)}

    @cached_property
    def entries(self) -> dict[int, Posted]:
        """Of the ledger, by the attempt that they name."""
        entries: dict[int, Posted] = defaultdict(list)
        for attempt_id, account_id, amount in self.rows(
            "SELECT attempt_id, account_id, amount FROM ledger_entry WHERE attempt_id IS NOT NULL"
        ):
            entries[attempt_id].append((account_id, amount))
        return entries

    @cached_property
    def usage(self) -> dict[str, Posted]:
        """By its reference."""
        usage: dict[str, Posted] = defaultdict(list)
        for reference, account_id, amount in self.rows(
            "SELECT reference, account_id, amount FROM ledger_entry WHERE kind = 'usage'"
        ):
            usage[reference].append((account_id, -amount))
        return usage

    @cached_property
    def by_hand(self) -> dict[str, Posted]:
        """By the words that it was posted with."""
        posted: dict[str, Posted] = defaultdict(list)
        for attempt in self.attempts.values():
            if attempt.processor == BY_HAND and attempt.payment_id not in self.booked_back:
                posted[attempt.note] += self.entries[attempt.id]
        return posted

    @cached_property
    def wires(self) -> dict[int, tuple[str, str]]:
        """Reference and state."""
        rows = self.rows("SELECT id, reference, state FROM wire_request")
        return {number: (reference, state) for number, reference, state in rows}

    def audited(self, what: str, account_id: int | None = None) -> list[dict]:
        """In the order in which it was written; of one account, or of all."""
        of = "" if account_id is None else f"AND account_id = {account_id}"
        return self._objects(
            f"SELECT details FROM audit_entry WHERE what = '{what}' {of} ORDER BY id"
        )

    def told(self, kind: str) -> list[dict]:
        """By webhooks, to whom it is owed."""
        return self._objects(f"SELECT data FROM webhook_event WHERE kind = '{kind}'")

    def _objects(self, sql: str) -> list[dict]:
        rows = self.rows(sql)
        return [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]
