"""Charges and verifications as the pretend processor booked them, once per idempotency key."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from secrets import token_hex
from sqlite3 import Connection, Row

from webapp.domain import declines
from webapp.ports import Answer, ChargeRequest, Declined, NeedsCustomer, Paid, RefusedToLook
from webapp.processors.sandbox.store import Store, read, written

OTHER_REQUEST = RefusedToLook("This idempotency key was used for another request")


class Status(StrEnum):
    PAID = "paid"
    DECLINED = "declined"
    NEEDS_CUSTOMER = "needs_customer"


@dataclass(frozen=True)
class Outcome:
    """What the bank says: before it is booked."""

    status: Status
    decline_code: str = ""


@dataclass(frozen=True)
class Charge:
    """One row of the books. `amount` in micros; `brand` and `last4` empty for an unknown card."""

    key: str
    request: str
    reference: str
    card_reference: str
    brand: str
    last4: str
    amount: int
    currency: str
    customer_present: bool
    status: Status
    decline_code: str
    created_at: datetime

    def answer(self) -> Answer:
        if self.status is Status.PAID:
            return Paid(self.reference, self.amount, self.currency, self.created_at)
        if self.status is Status.NEEDS_CUSTOMER:
            return NeedsCustomer(self.reference, self.created_at)
        return declined(self.decline_code, self.created_at, self.reference)

    def answer_to(self, request: ChargeRequest) -> Answer:
        """The recorded answer, if this is what was asked under the key then."""
        return self.answer() if self.request == request_print(request) else OTHER_REQUEST


class ChargeBook:
    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> Charge | None:
        row = self._store.db.execute(f"{_SELECT} WHERE charge.key = ?", (key,)).fetchone()
        return None if row is None else _charge(row)

    def last(self, count: int) -> list[Charge]:
        """The newest first."""
        rows = self._store.db.execute(f"{_SELECT} ORDER BY charge.id DESC LIMIT ?", (count,))
        return [_charge(row) for row in rows]

    def last_of(
        self, count: int, keys: Sequence[str], card_references: Sequence[str]
    ) -> list[Charge]:
        """As `last`, of those under these keys or with these cards."""
        rows = self._store.db.execute(
            f"{_SELECT} WHERE charge.key IN (SELECT value FROM json_each(?)) "  # noqa: S608
            "OR charge.card_reference IN (SELECT value FROM json_each(?)) "
            "ORDER BY charge.id DESC LIMIT ?",
            (json.dumps(list(keys)), json.dumps(list(card_references)), count),
        )
        return [_charge(row) for row in rows]

    def paid(self) -> list[tuple[str, int, str]]:
        """Key, micros and currency of every charge that took money, oldest first."""
        rows = self._store.db.execute(
            "SELECT key, amount, currency FROM charge WHERE status = 'paid' ORDER BY id"
        )
        return [(row["key"], row["amount"], row["currency"]) for row in rows]

    def book(self, request: ChargeRequest, outcome: Outcome, now: datetime) -> Charge:
        """Book the outcome, unless one is already booked under this key; gives what is booked."""
        with self._store.writing() as db:
            db.execute(
                "INSERT INTO charge (key, request, reference, card_reference, amount, currency, "
                "customer_present, status, decline_code, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (
                    request.key,
                    request_print(request),
                    f"ch_{token_hex(12)}",
                    request.method_reference,
                    request.amount,
                    request.currency,
                    request.customer_present,
                    outcome.status,
                    outcome.decline_code,
                    written(now),
                ),
            )
            return _charge(_row_of(db, request.key))

    def book_verification(
        self, key: str, card_reference: str, decline_code: str, now: datetime
    ) -> tuple[str, str, datetime]:
        """As `book`; gives the booked card reference, decline code and time."""
        with self._store.writing() as db:
            db.execute(
                "INSERT INTO verification VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, card_reference, decline_code, written(now)),
            )
            row = db.execute("SELECT * FROM verification WHERE key = ?", (key,)).fetchone()
        return row["card_reference"], row["decline_code"], read(row["created_at"])


def declined(code: str, at: datetime, reference: str = "") -> Declined:
    return Declined(code, declines.class_of(code), at, reference)


def request_print(request: ChargeRequest) -> str:
    """Tells whether two requests under one key ask for the same thing."""
    parts = (
        request.amount,
        request.currency,
        request.method_reference,
        request.customer_present,
    )
    return sha256(repr(parts).encode()).hexdigest()


_SELECT = (
    "SELECT charge.*, coalesce(card.brand, '') AS brand, coalesce(card.last4, '') AS last4 "
    "FROM charge LEFT JOIN card ON card.id = charge.card_reference"
)


def _row_of(db: Connection, key: str) -> Row:
    row: Row = db.execute(f"{_SELECT} WHERE charge.key = ?", (key,)).fetchone()
    return row


def _charge(row: Row) -> Charge:
    return Charge(
        key=row["key"],
        request=row["request"],
        reference=row["reference"],
        card_reference=row["card_reference"],
        brand=row["brand"],
        last4=row["last4"],
        amount=row["amount"],
        currency=row["currency"],
        customer_present=bool(row["customer_present"]),
        status=Status(row["status"]),
        decline_code=row["decline_code"],
        created_at=read(row["created_at"]),
    )
