"""The append-only ledger. An account's balance always equals the sum of its entries (L2).

Each entry stores the balance after it. Database triggers refuse an entry that does not continue
from the previous balance, the change or deletion of an entry, and an account balance that differs
from the last entry's (see the first migration). So a balance cannot change without an entry, not
even by SQL at a database prompt.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    ForeignKey,
    Index,
    String,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database.base import Base, sqlite_timestamp
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal

FARTHEST = 2**62
"""Largest balance in micros, positive or negative: half of the range of a 64-bit integer."""


Row = tuple[object, ...]
"""The columns of a ledger entry, without its id."""


class EntryKind(StrEnum):
    USAGE = "usage"
    PAYMENT = "payment"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"
    DISPUTE = "dispute"
    REVERSAL = "reversal"


class LedgerEntry(Base):
    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        # L2: every credit names its attempt…
        CheckConstraint("amount < 0 OR attempt_id IS NOT NULL", name="credit_names_its_attempt"),
        CheckConstraint("kind <> 'usage' OR amount < 0", name="usage_is_a_debit"),
        # …and an attempt has at most one entry.
        Index(
            "uq_ledger_entry_attempt_id",
            "attempt_id",
            unique=True,
            sqlite_where=text("attempt_id IS NOT NULL"),
            postgresql_where=text("attempt_id IS NOT NULL"),
        ),
        # L12: references of usage are unique per account.
        Index("uq_ledger_entry_account_id_reference", "account_id", "reference", unique=True),
        Index("ix_ledger_entry_account_id_id", "account_id", "id"),
        Index("ix_ledger_entry_account_id_posted_at", "account_id", "posted_at"),
        Index(
            "ix_ledger_entry_credits",
            "account_id",
            "posted_at",
            sqlite_where=text("amount > 0"),
            postgresql_where=text("amount > 0"),
        ),
        # A day's usage is computed from the balance change and these entries (T10).
        Index(
            "ix_ledger_entry_not_usage",
            "account_id",
            "posted_at",
            sqlite_where=text("kind <> 'usage'"),
            postgresql_where=text("kind <> 'usage'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[EntryKind] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros; negative for a debit."""
    balance_after: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(String(120))
    """The meter's reference of usage; NULL for entries that Ballast posts itself."""
    description: Mapped[str] = mapped_column(String(500), default="")
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    occurred_at: Mapped[datetime]
    """Time of the usage as reported by the meter, or of the payment."""
    posted_at: Mapped[datetime]


class Entry(NamedTuple):
    """An entry to post; the ledger computes the balance after it."""

    kind: EntryKind
    amount: int
    """Micros; negative for a debit."""
    occurred_at: datetime
    description: str = ""
    reference: str | None = None
    attempt_id: int | None = None


def append(session: Session, account: Account, entries: Sequence[Entry], now: datetime) -> None:
    """Post entries to a locked account and change its balance by their sum, in this transaction.

    Raises `Refusal` if the new balance is out of range.
    """
    if session.new:
        session.flush()  # inserts the attempts that the entries name
    (balance,) = append_to_many(session, [(account.id, account.balance, entries)], now)
    set_committed_value(account, "balance", balance)


def append_to_many(
    session: Session, sent: Iterable[tuple[int, int, Sequence[Entry]]], now: datetime
) -> list[int]:
    """Post entries to several accounts, given as id, balance and entries.

    Returns the new balances. Raises `Refusal` if one is out of range.
    """
    posted_at = sqlite_timestamp(now)
    rows: list[Row] = []
    moves, balances = [], []
    for account_id, before, entries in sent:
        balance = before
        for kind, amount, occurred_at, description, reference, attempt_id in entries:
            balance += amount
            at = sqlite_timestamp(occurred_at)
            rows.append(
                (
                    account_id,
                    kind,
                    amount,
                    balance,
                    reference,
                    description,
                    attempt_id,
                    at,
                    posted_at,
                )
            )
        if abs(balance) > FARTHEST:
            raise Refusal("That is more than a balance can hold.", code="balance_out_of_range")
        if entries:
            moves.append((account_id, balance - before))
        balances.append(balance)
    if rows:
        connection = session.connection()
        dialect = connection.dialect.name
        _INSERT[dialect](connection, rows)
        connection.execute(_MOVE[dialect], {"moves": json.dumps(moves)})
    return balances


# The SQLite driver releases the interpreter lock at each execution. For a thousand rows that costs
# more than the inserts, so one execution inserts a hundred rows.
AT_ONCE = 100

_INSERT_ONE = (
    "INSERT INTO ledger_entry (account_id, kind, amount, balance_after, reference, description, "
    "attempt_id, occurred_at, posted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_MANY = _INSERT_ONE + ", (?, ?, ?, ?, ?, ?, ?, ?, ?)" * (AT_ONCE - 1)


def _insert_by_values(connection: Connection, rows: Sequence[Row]) -> None:
    even = len(rows) - len(rows) % AT_ONCE
    if even:
        hundreds = (rows[at : at + AT_ONCE] for at in range(0, even, AT_ONCE))
        values = [tuple(chain.from_iterable(hundred)) for hundred in hundreds]
        connection.exec_driver_sql(_INSERT_MANY, values)
    if even < len(rows):
        connection.exec_driver_sql(_INSERT_ONE, list(rows[even:]))


_INSERT_JSON = text(
    "INSERT INTO ledger_entry (account_id, kind, amount, balance_after, reference, description, "
    "attempt_id, occurred_at, posted_at) "
    "SELECT CAST(value ->> 0 AS integer), value ->> 1, CAST(value ->> 2 AS bigint), "
    "CAST(value ->> 3 AS bigint), value ->> 4, value ->> 5, CAST(value ->> 6 AS integer), "
    "CAST(value ->> 7 || '+00' AS timestamptz), CAST(value ->> 8 || '+00' AS timestamptz) "
    "FROM json_array_elements(CAST(:entries AS json)) WITH ORDINALITY AS entry (value, number) "
    "ORDER BY number"
)


def _insert_by_json(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert all rows with one statement and one parameter: a single round trip."""
    connection.execute(_INSERT_JSON, {"entries": json.dumps(rows)})


_INSERT = {"sqlite": _insert_by_values, "postgresql": _insert_by_json}
_MOVE = {
    "sqlite": text(
        "UPDATE account SET balance = balance + micros, revision = revision + 1 "
        "FROM (SELECT json_extract(value, '$[0]') AS moved, json_extract(value, '$[1]') AS micros "
        "FROM json_each(:moves)) WHERE id = moved"
    ),
    "postgresql": text(
        "UPDATE account SET balance = balance + micros, revision = revision + 1 "
        "FROM (SELECT CAST(value ->> 0 AS integer) AS moved, CAST(value ->> 1 AS bigint) AS micros "
        "FROM json_array_elements(CAST(:moves AS json))) AS move WHERE id = moved"
    ),
}


def has_reference(session: Session, account_id: int, reference: str) -> bool:
    """Return whether usage under this reference has been posted."""
    posted = select(LedgerEntry.id).where(
        LedgerEntry.account_id == account_id, LedgerEntry.reference == reference
    )
    return session.scalar(posted) is not None
