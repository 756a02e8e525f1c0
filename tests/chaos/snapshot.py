"""The databases after a run: the product's tables and the sandbox's books.

Read with plain SQL, so that the comparisons share no code with the product or `flask ledger check`.
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

OPERATOR = "operator"
"""Processor name of postings by the provider's staff."""

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
    """The failed attempt that it retries."""
    note: str


@dataclass(frozen=True)
class Charge:
    """Money that the processor has taken."""

    key: str
    amount: int
    currency: str


@dataclass(frozen=True)
class ReversalAtProcessor:
    """Money of a charge that the processor has taken back."""

    reference: str
    key: str
    amount: int
    state: str


@dataclass(frozen=True)
class Reversal:
    """A reversal as recorded by the product."""

    id: int
    reference: str
    state: str
    debit_id: int | None
    credit_id: int | None


Posted = list[tuple[int, int]]
"""Account id and micros of ledger entries."""


class Snapshot:
    """A snapshot; each table is read on first use and then cached."""

    def __init__(
        self, database: Database, home: Path, logs: Path, stripe: "StripeBooks | None" = None
    ) -> None:
        """With `stripe`, cards are charged there instead of in the sandbox."""
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
        """Attempts by key."""
        attempts = (Attempt(*row) for row in self.rows(ATTEMPTS))
        return {attempt.key: attempt for attempt in attempts}

    @cached_property
    def taken_back(self) -> list[ReversalAtProcessor]:
        rows = self.in_books("SELECT id, key, amount, state FROM taken_back")
        found = [ReversalAtProcessor(*row) for row in rows]
        return found + (self._stripe.taken_back if self._stripe else [])

    @cached_property
    def saved_methods(self) -> dict[str, bool]:
        """Whether each method saved at the processor can be charged, by reference."""
        saved = [*self.in_books("SELECT id, revoked_at FROM card")]
        saved += self.in_books("SELECT id, coalesce(revoked_at, cancelled_at) FROM agreement")
        found = {reference: ended_at is None for reference, ended_at in saved}
        return found | (self._stripe.methods if self._stripe else {})

    @property
    def events(self) -> list[tuple[str, str | None]]:
        """Events of the processor, with the time of their delivery or None."""
        found = [(name, at) for name, at in self.in_books("SELECT name, delivered_at FROM event")]
        return found + (self._stripe.events if self._stripe else [])

    @property
    def listed(self) -> set[str]:
        """Names of events that the product finds by listing them at the processor (L17)."""
        return self._stripe.listed if self._stripe else set()

    @cached_property
    def reversals(self) -> list[Reversal]:
        rows = self.rows("SELECT id, reference, state, debit_id, credit_id FROM reversal")
        return [Reversal(*row) for row in rows]

    @property
    def reversal_payments(self) -> set[int | None]:
        """Payments that record a reversal or its return."""
        return {
            payment_id
            for reversal in self.reversals
            for payment_id in (reversal.debit_id, reversal.credit_id)
        }

    @cached_property
    def entries(self) -> dict[int, Posted]:
        """Ledger entries by attempt id."""
        entries: dict[int, Posted] = defaultdict(list)
        for attempt_id, account_id, amount in self.rows(
            "SELECT attempt_id, account_id, amount FROM ledger_entry WHERE attempt_id IS NOT NULL"
        ):
            entries[attempt_id].append((account_id, amount))
        return entries

    @cached_property
    def usage(self) -> dict[str, Posted]:
        """Usage by reference."""
        usage: dict[str, Posted] = defaultdict(list)
        for reference, account_id, amount in self.rows(
            "SELECT reference, account_id, amount FROM ledger_entry WHERE kind = 'usage'"
        ):
            usage[reference].append((account_id, -amount))
        return usage

    @cached_property
    def operator_postings(self) -> dict[str, Posted]:
        """Postings by the provider's staff, by their note."""
        posted: dict[str, Posted] = defaultdict(list)
        for attempt in self.attempts.values():
            if attempt.processor == OPERATOR and attempt.payment_id not in self.reversal_payments:
                posted[attempt.note] += self.entries[attempt.id]
        return posted

    @cached_property
    def wires(self) -> dict[int, tuple[str, str]]:
        """Reference and state of wire requests, by id."""
        rows = self.rows("SELECT id, reference, state FROM wire_request")
        return {number: (reference, state) for number, reference, state in rows}

    def audited(self, what: str, account_id: int | None = None) -> list[dict]:
        """Details of audit entries in the order written; for one account, or for all."""
        of = "" if account_id is None else f"AND account_id = {account_id}"
        return self._json(f"SELECT facts FROM event WHERE audit = '{what}' {of} ORDER BY id")

    def webhook_payments(self, kind: str) -> list[int]:
        """Payments of the events of this type that have deliveries."""
        delivered = "SELECT event_id FROM webhook_delivery"
        sql = f"SELECT payment_id FROM event WHERE webhook = '{kind}' AND id IN ({delivered})"
        return [row[0] for row in self.rows(sql)]

    def _json(self, sql: str) -> list[dict]:
        rows = self.rows(sql)
        return [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]
