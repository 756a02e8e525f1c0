"""The append-only ledger. An account's balance always equals the sum of its entries (L2).

Each entry stores the balance after it. Database triggers refuse an entry that does not continue
from the previous balance, the change or deletion of an entry, and an account balance that differs
from the last entry's (see the first migration). So a balance cannot change without an entry, not
even by SQL at a database prompt. Only the erasure of a closed account empties descriptions.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database.base import Base, partial_index
from webapp.database.ledger_statements import EntryRow, insert_entries, move_balances
from webapp.database.statements import sqlite_timestamp
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Refusal

FARTHEST = 2**62
"""Largest balance in micros, positive or negative: half of the range of a 64-bit integer."""


class EntryKind(StrEnum):
    USAGE = "usage"
    USAGE_REVERSAL = "usage_reversal"
    PAYMENT = "payment"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"
    DISPUTE = "dispute"
    REVERSAL = "reversal"


class LedgerEntry(Base):
    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        # L2: every credit names its payment attempt, or the reversal of usage (L16)…
        CheckConstraint(
            "amount < 0 OR attempt_id IS NOT NULL OR usage_reversal_id IS NOT NULL",
            name="credit_names_its_cause",
        ),
        CheckConstraint(
            "(kind = 'usage_reversal') = (usage_reversal_id IS NOT NULL)",
            name="reversal_of_usage_names_it",
        ),
        CheckConstraint("kind <> 'usage' OR amount < 0", name="usage_is_a_debit"),
        # …and each of them has at most one entry.
        partial_index(
            "uq_ledger_entry_attempt_id", "attempt_id", where="attempt_id IS NOT NULL", unique=True
        ),
        partial_index(
            "uq_ledger_entry_usage_reversal_id",
            "usage_reversal_id",
            where="usage_reversal_id IS NOT NULL",
            unique=True,
        ),
        # L12: references of usage are unique per account.
        Index("uq_ledger_entry_account_id_reference", "account_id", "reference", unique=True),
        Index("ix_ledger_entry_account_id_id", "account_id", "id"),
        Index("ix_ledger_entry_account_id_posted_at", "account_id", "posted_at"),
        partial_index("ix_ledger_entry_credits", "account_id", "posted_at", where="amount > 0"),
        # A day's usage is computed from the balance change and these entries (T10).
        partial_index(
            "ix_ledger_entry_not_usage", "account_id", "posted_at", where="kind <> 'usage'"
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
    usage_reversal_id: Mapped[int | None] = mapped_column(ForeignKey("usage_reversal.id"))
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
    usage_reversal_id: int | None = None


def append(ctx: Context, account: Account, entries: Sequence[Entry]) -> None:
    """Post entries to a locked account and change its balance by their sum, in this transaction.

    Raises `Refusal` if the new balance is out of range.
    """
    if ctx.session.new:
        ctx.session.flush()  # inserts the attempts that the entries name
    (balance,) = append_to_many(ctx, [(account.id, account.balance, entries)])
    set_committed_value(account, "balance", balance)


def append_to_many(ctx: Context, sent: Iterable[tuple[int, int, Sequence[Entry]]]) -> list[int]:
    """Post entries to several accounts, given as id, balance and entries.

    Returns the new balances. Raises `Refusal` if one is out of range.
    """
    posted_at = sqlite_timestamp(ctx.now)
    rows: list[EntryRow] = []
    moves, balances = [], []
    for account_id, before, entries in sent:
        balance = before
        for entry in entries:
            balance += entry.amount
            rows.append(
                (
                    account_id,
                    entry.kind,
                    entry.amount,
                    balance,
                    entry.reference,
                    entry.description,
                    entry.attempt_id,
                    entry.usage_reversal_id,
                    sqlite_timestamp(entry.occurred_at),
                    posted_at,
                )
            )
        if abs(balance) > FARTHEST:
            raise Refusal("That is more than a balance can hold.", code="balance_out_of_range")
        if entries:
            moves.append((account_id, balance - before))
        balances.append(balance)
    if rows:
        insert_entries(ctx.session.connection(), rows)
        move_balances(ctx.session.connection(), moves)
    return balances


def has_reference(session: Session, account_id: int, reference: str) -> bool:
    """Return whether usage under this reference has been posted."""
    posted = select(LedgerEntry.id).where(
        LedgerEntry.account_id == account_id, LedgerEntry.reference == reference
    )
    return session.scalar(posted) is not None


def find_usage(session: Session, account_id: int, reference: str) -> LedgerEntry | None:
    """Return the entry of usage that was posted under this reference."""
    is_possible = "\0" not in reference  # PostgreSQL does not accept NUL in a parameter
    posted = select(LedgerEntry).where(
        LedgerEntry.account_id == account_id,
        LedgerEntry.reference == reference,
        LedgerEntry.kind == EntryKind.USAGE,
    )
    return session.scalar(posted) if is_possible else None
