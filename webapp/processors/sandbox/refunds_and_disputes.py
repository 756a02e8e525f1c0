"""Later changes at the sandbox processor: refunds, disputes, renewed and removed cards.

Each creates an event that is delivered as a real processor does.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from sqlite3 import Connection

from webapp.ports import Event, Forged, TakenBack, TakenBackState
from webapp.processors.sandbox.charges import Charge, ChargeBook, Status
from webapp.processors.sandbox.store import Store, read, written

SIGNATURE = "Sandbox-Signature"

TOLERANCE = timedelta(minutes=5)

CARDS, PAYPAL = "sandbox", "sandbox_paypal"
"""Names of the two sandbox processors in URLs and attempts."""

RENEWED_FOR = 3
"""Years by which a renewed card's expiry moves."""


@dataclass(frozen=True)
class TakenBackRow:
    reference: str
    kind: TakenBack
    key: str
    amount: int
    currency: str
    state: TakenBackState
    at: datetime


@dataclass(frozen=True)
class Delivery:
    """A request to the product's webhook."""

    processor: str
    body: bytes
    headers: Mapping[str, str]


class RefundsAndDisputes:
    def __init__(self, store: Store, book: ChargeBook) -> None:
        self._store = store
        self._book = book

    # Changes, each of which creates one event

    def refund(self, key: str, amount: int, now: datetime) -> str:
        """Refund a paid charge. Raises `ValueError` if `amount` exceeds what is left of it."""
        return self._take_back(TakenBack.REFUND, key, amount, now)

    def dispute(self, key: str, now: datetime) -> str:
        """Dispute the remaining amount of a charge. Raises `ValueError` if it is zero."""
        return self._take_back(TakenBack.DISPUTE, key, self.left_of(key), now)

    def reverse(self, key: str, now: datetime) -> str:
        """Reverse the remaining amount of a charge. Raises `ValueError` if it is zero."""
        return self._take_back(TakenBack.REVERSAL, key, self.left_of(key), now)

    def close(self, reference: str, state: TakenBackState, now: datetime) -> None:
        """Close a dispute as lost or returned; a second call changes nothing."""
        with self._store.writing() as db:
            closed = db.execute(
                "UPDATE taken_back SET state = ? WHERE id = ? AND state = 'taken'",
                (state, reference),
            )
            row = db.execute("SELECT key FROM taken_back WHERE id = ?", (reference,)).fetchone()
            if closed.rowcount == 1:
                _add_event(db, self._processor_of(row["key"]), f"taken_back {reference}", now)

    def renew(self, reference: str, now: datetime) -> None:
        """Renew a card: the network reports a new expiry."""
        with self._store.writing() as db:
            db.execute(
                "UPDATE card SET exp_year = max(exp_year, ?) + ? WHERE id = ?",
                (now.year, RENEWED_FOR, reference),
            )
            _add_event(db, CARDS, f"method {reference}", now)

    def take_away(self, reference: str, now: datetime) -> None:
        """Remove a card, or cancel an agreement as the payer."""
        is_card = reference.startswith("card_")
        table, column = ("card", "revoked_at") if is_card else ("agreement", "cancelled_at")
        with self._store.writing() as db:
            db.execute(
                f"UPDATE {table} SET {column} = ? "  # noqa: S608  constant names
                f"WHERE id = ? AND {column} IS NULL",
                (written(now), reference),
            )
            _add_event(db, CARDS if is_card else PAYPAL, f"method {reference}", now)

    def tell_of_charge(self, key: str, now: datetime) -> None:
        """Create an event about a charge's outcome."""
        with self._store.writing() as db:
            _add_event(db, self._processor_of(key), f"charge {key}", now)

    def tell(self, processor: str, about: str, now: datetime) -> None:
        with self._store.writing() as db:
            _add_event(db, processor, about, now)

    # Queries

    def find(self, reference: str) -> TakenBackRow | None:
        found = self._rows("taken_back.id = ?", reference)
        return found[0] if found else None

    def of_charge(self, key: str) -> list[TakenBackRow]:
        return self._rows("taken_back.key = ?", key)

    def all(self) -> list[TakenBackRow]:
        """All refunds, disputes and reversals, oldest first."""
        return self._rows("? = 1", 1)

    def left_of(self, key: str) -> int:
        """Micros of a paid charge that were not taken back."""
        charge = self._book.find(key)
        if charge is None or charge.status is not Status.PAID:
            return 0
        gone = sum(
            one.amount for one in self.of_charge(key) if one.state != TakenBackState.RETURNED
        )
        return charge.amount - gone

    # Deliveries

    def undelivered(self, now: datetime) -> list[tuple[int, Delivery]]:
        """Undelivered events with their numbers, oldest first, signed now."""
        rows = self._store.db.execute("SELECT * FROM event WHERE delivered_at IS NULL ORDER BY id")
        return [(row["id"], self._signed(row, now)) for row in rows]

    def record_delivery(self, number: int, now: datetime) -> None:
        with self._store.writing() as db:
            db.execute("UPDATE event SET delivered_at = ? WHERE id = ?", (written(now), number))

    def open(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Event | Forged:
        lower = {name.lower(): value for name, value in headers.items()}
        given = dict(
            part.split("=", 1)
            for part in lower.get(SIGNATURE.lower(), "").split(",")
            if "=" in part
        )
        stamp = given.get("t", "")
        # Compared as bytes, because `compare_digest` rejects non-ASCII text, which anyone can send.
        signed = self._signature(stamp, body).encode()
        if not hmac.compare_digest(given.get("v1", "").encode(), signed):
            return Forged("The signature is invalid")
        if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > TOLERANCE:
            return Forged("It was signed too long ago")
        message = json.loads(body)
        return Event(message["id"], message["about"])

    def _signed(self, row: Mapping[str, object], now: datetime) -> Delivery:
        body = json.dumps({"id": row["name"], "about": row["about"]}).encode()
        stamp = str(int(now.timestamp()))
        signature = f"t={stamp},v1={self._signature(stamp, body)}"
        return Delivery(str(row["processor"]), body, {SIGNATURE: signature})

    def _signature(self, stamp: str, body: bytes) -> str:
        secret = str(self._store.setting("webhook_secret", "")).encode()
        return hmac.new(secret, stamp.encode() + b"." + body, sha256).hexdigest()

    def _take_back(self, kind: TakenBack, key: str, amount: int, now: datetime) -> str:
        reference = f"{kind[:2]}_{token_hex(12)}"
        with self._store.writing() as db:
            if not 0 < amount <= self.left_of(key):
                raise ValueError(f"{amount} is not left of {key}")
            db.execute(
                "INSERT INTO taken_back (id, kind, key, amount, created_at) VALUES (?, ?, ?, ?, ?)",
                (reference, kind, key, amount, written(now)),
            )
            _add_event(db, self._processor_of(key), f"taken_back {reference}", now)
        return reference

    def _processor_of(self, key: str) -> str:
        charge: Charge | None = self._book.find(key)
        is_agreement = charge is not None and charge.method_reference.startswith("agr_")
        return PAYPAL if is_agreement else CARDS

    def _rows(self, condition: str, value: object) -> list[TakenBackRow]:
        rows: Sequence[Mapping[str, str]] = self._store.db.execute(
            "SELECT taken_back.*, charge.currency AS currency "  # noqa: S608  constant conditions
            "FROM taken_back JOIN charge ON charge.key = taken_back.key "
            f"WHERE {condition} ORDER BY taken_back.created_at, taken_back.id",
            (value,),
        ).fetchall()
        return [
            TakenBackRow(
                reference=row["id"],
                kind=TakenBack(row["kind"]),
                key=row["key"],
                amount=int(row["amount"]),
                currency=row["currency"],
                state=TakenBackState(row["state"]),
                at=read(row["created_at"]),
            )
            for row in rows
        ]


def _add_event(db: Connection, processor: str, about: str, now: datetime) -> None:
    db.execute(
        "INSERT INTO event (name, processor, about, created_at) VALUES (?, ?, ?, ?)",
        (f"evt_{token_hex(12)}", processor, about, written(now)),
    )
