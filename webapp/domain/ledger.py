"""The append-only ledger. The account's balance is its sum at every moment (L2).

The rows form a chain: each carries the balance after it. Triggers in the database refuse a row
that does not continue the chain, a change or removal of any row, and an account's balance that
is not the chain's end (see the first migration). So no code, ours or a person's at a database
prompt, can move a balance without leaving a row.
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
"""Micros from zero, either way: the database's integers end at twice that."""


Row = tuple[object, ...]
"""Of the ledger's table, without its id."""


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
        # L2: every credit names the attempt it comes from…
        CheckConstraint("amount < 0 OR attempt_id IS NOT NULL", name="credit_names_its_attempt"),
        CheckConstraint("kind <> 'usage' OR amount < 0", name="usage_is_a_debit"),
        # …uniquely.
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
        # The usage of a day is what the balance lost beside these (T10).
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
    """Micros; below zero for a debit."""
    balance_after: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(String(120))
    """The meter's own reference of usage; empty for what Ballast posts itself."""
    description: Mapped[str] = mapped_column(String(500), default="")
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    occurred_at: Mapped[datetime]
    """When it happened, as the meter says."""
    posted_at: Mapped[datetime]


class Entry(NamedTuple):
    """What is to be posted; the ledger itself adds where that leads."""

    kind: EntryKind
    amount: int
    """Micros; below zero for a debit."""
    occurred_at: datetime
    description: str = ""
    reference: str | None = None
    attempt_id: int | None = None


def append(session: Session, account: Account, entries: Sequence[Entry], now: datetime) -> None:
    """Post entries to a locked account and move its balance by their sum, in this transaction.

    Raises `Refusal` where that would lead farther from zero than can be counted.
    """
    if session.new:
        session.flush()  # the attempts that the entries name
    (balance,) = append_to_many(session, [(account.id, account.balance, entries)], now)
    set_committed_value(account, "balance", balance)


def append_to_many(
    session: Session, sent: Iterable[tuple[int, int, Sequence[Entry]]], now: datetime
) -> list[int]:
    """The same for several accounts, each by its id and balance; the balances after it."""
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


# At each step of a statement the driver lets other threads run, and a thousand hand-overs of the
# interpreter cost more than a thousand rows: so a hundred rows are one step.
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
    """In one parameter of one statement: one way there and back."""
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
    """Whether usage under this reference has been posted."""
    posted = select(LedgerEntry.id).where(
        LedgerEntry.account_id == account_id, LedgerEntry.reference == reference
    )
    return session.scalar(posted) is not None
