"""Charges and verifications in the sandbox's books, once per idempotency key."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from secrets import token_hex
from sqlite3 import Connection, Row

from webapp.domain.payment_methods import declines
from webapp.ports import (
    Answer,
    Cancelled,
    ChargeRequest,
    Declined,
    NeedsCustomer,
    Paid,
    RequestRejected,
)
from webapp.processors.sandbox.challenges import ChallengeKind, address_of, begin
from webapp.processors.sandbox.store import Store, read, written

OTHER_REQUEST = RequestRejected("This idempotency key was used for another request")


class Status(StrEnum):
    PAID = "paid"
    DECLINED = "declined"
    NEEDS_CUSTOMER = "needs_customer"
    CANCELLED = "cancelled"
    """The challenge was cancelled."""


@dataclass(frozen=True)
class Outcome:
    """The bank's answer, before it is booked."""

    status: Status
    decline_code: str = ""
    confirmed_code: str = ""
    """Decline code after the customer has confirmed; empty if the charge is then paid."""


@dataclass(frozen=True)
class Charge:
    """A booked charge. `amount` is in micros.

    `brand` and `last4` are set for cards, `payer_email` for agreements.
    """

    key: str
    request: str
    reference: str
    method_reference: str
    brand: str
    last4: str
    payer_email: str
    amount: int
    currency: str
    customer_present: bool
    status: Status
    decline_code: str
    at: datetime
    """Time of the final answer: the bank's first one or the end of the challenge (F8)."""
    challenge_id: str
    """Empty without a challenge."""

    def answer(self) -> Answer:
        if self.status is Status.PAID:
            return Paid(self.reference, self.amount, self.currency, self.at, self.method_reference)
        if self.status is Status.NEEDS_CUSTOMER:
            asked = self.challenge_id
            address = address_of(ChallengeKind.CHARGE, asked) if asked else ""
            return NeedsCustomer(self.reference, self.at, address)
        if self.status is Status.CANCELLED:
            return Cancelled(self.at)
        return declined(self.decline_code, self.at, self.reference)

    def answer_to(self, request: ChargeRequest) -> Answer:
        """The recorded answer, if the request is the one booked under the key."""
        return self.answer() if self.request == request_print(request) else OTHER_REQUEST


class ChargeBook:
    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> Charge | None:
        row = self._store.db.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone()
        return None if row is None else _charge(row)

    def last(self, count: int) -> list[Charge]:
        """The newest first."""
        rows = self._store.db.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (count,))
        return [_charge(row) for row in rows]

    def last_of(
        self, count: int, keys: Sequence[str], method_references: Sequence[str]
    ) -> list[Charge]:
        """The newest charges with these keys or methods."""
        rows = self._store.db.execute(
            f"{_SELECT} WHERE key IN (SELECT value FROM json_each(?)) "  # noqa: S608
            "OR card_reference IN (SELECT value FROM json_each(?)) "
            "ORDER BY id DESC LIMIT ?",
            (json.dumps(list(keys)), json.dumps(list(method_references)), count),
        )
        return [_charge(row) for row in rows]

    def paid(self) -> list[tuple[str, int, str]]:
        """Key, micros and currency of each paid charge, oldest first."""
        rows = self._store.db.execute(f"{_SELECT} WHERE status = 'paid' ORDER BY id")
        return [(row["key"], row["amount"], row["currency"]) for row in rows]

    def book(self, request: ChargeRequest, outcome: Outcome, now: datetime) -> Charge:
        """Book the outcome unless the key is booked already, and return the booked charge.

        If the bank requires a customer who is present, a challenge is started.
        """
        with self._store.writing() as db:
            booked = db.execute(
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
            wanted = outcome.status is Status.NEEDS_CUSTOMER and request.customer_present
            if booked.rowcount == 1 and wanted:
                kind, code = ChallengeKind.CHARGE, outcome.confirmed_code
                begin(db, kind, request.key, request.return_to, now, decline_code=code)
            return _charge(_row_of(db, request.key))

    def book_verification(
        self, key: str, method_reference: str, decline_code: str, now: datetime
    ) -> tuple[str, str, datetime]:
        """Like `book`; returns the booked method reference, decline code and time."""
        with self._store.writing() as db:
            db.execute(
                "INSERT INTO verification VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, method_reference, decline_code, written(now)),
            )
            row = db.execute("SELECT * FROM verification WHERE key = ?", (key,)).fetchone()
        return row["card_reference"], row["decline_code"], read(row["created_at"])


def declined(code: str, at: datetime, reference: str = "") -> Declined:
    return Declined(code, declines.class_of(code), at, reference)


def request_print(request: ChargeRequest) -> str:
    """Digest of a request, to compare requests with the same key."""
    parts = (
        request.amount,
        request.currency,
        request.method_reference,
        request.customer_present,
    )
    return sha256(repr(parts).encode()).hexdigest()


# `card_reference` is the method's reference, also for agreements.
_SELECT = """
SELECT * FROM (
    SELECT charge.id, key, request, reference, card_reference, amount, currency, customer_present,
        coalesce(brand, '') AS brand,
        coalesce(last4, '') AS last4,
        coalesce(payer_email, '') AS payer_email,
        coalesce(challenge.id, '') AS challenge_id,
        CASE challenge.state
            WHEN 'completed' THEN
                CASE challenge.decline_code WHEN '' THEN 'paid' ELSE 'declined' END
            WHEN 'failed' THEN 'declined'
            WHEN 'cancelled' THEN 'cancelled'
            ELSE status
        END AS status,
        CASE challenge.state
            WHEN 'completed' THEN challenge.decline_code
            WHEN 'cancelled' THEN ''
            ELSE charge.decline_code
        END AS decline_code,
        coalesce(ended_at, charge.created_at) AS at
    FROM charge
    LEFT JOIN card ON card.id = card_reference
    LEFT JOIN agreement ON agreement.id = card_reference
    LEFT JOIN challenge ON kind = 'charge' AND subject = key
)"""


def _row_of(db: Connection, key: str) -> Row:
    row: Row = db.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone()
    return row


def _charge(row: Row) -> Charge:
    return Charge(
        key=row["key"],
        request=row["request"],
        reference=row["reference"],
        method_reference=row["card_reference"],
        brand=row["brand"],
        last4=row["last4"],
        payer_email=row["payer_email"],
        amount=row["amount"],
        currency=row["currency"],
        customer_present=bool(row["customer_present"]),
        status=Status(row["status"]),
        decline_code=row["decline_code"],
        at=read(row["at"]),
        challenge_id=row["challenge_id"],
    )
