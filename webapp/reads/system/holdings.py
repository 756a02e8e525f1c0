"""Totals of a database by which an operator recognises it, for backups and moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import OPEN_STATES, Attempt, Payment
from webapp.domain.shared.money import decimal_text
from webapp.domain.wires.wire import WireProof, WireRequest


@dataclass(frozen=True)
class Holdings:
    accounts: int
    ledger_entries: int
    payments: int
    balances: tuple[str, ...]
    """The sum of all accounts' balances in each currency: "63.402750 USD"."""
    newest_entry: datetime | None


@dataclass(frozen=True)
class NamedProof:
    """A proof-of-payment file that the database refers to."""

    account_id: int
    file: str
    digest: str
    wire: str
    """Reference of the wire request."""


def read_holdings(connection: Connection) -> Holdings:
    balances = connection.execute(
        select(func.sum(Account.balance), Account.currency)
        .group_by(Account.currency)
        .order_by(Account.currency)
    )
    return Holdings(
        accounts=_count(connection, Account),
        ledger_entries=_count(connection, LedgerEntry),
        payments=_count(connection, Payment),
        balances=tuple(f"{decimal_text(int(total))} {currency}" for total, currency in balances),
        newest_entry=connection.scalar(select(func.max(LedgerEntry.posted_at))),
    )


def read_named_proofs(connection: Connection) -> Sequence[NamedProof]:
    rows = connection.execute(
        select(WireRequest.account_id, WireProof.file, WireProof.digest, WireRequest.reference)
        .join(WireRequest, WireRequest.id == WireProof.wire_id)
        .order_by(WireProof.id)
    )
    return [NamedProof(*row) for row in rows]


def read_processors(connection: Connection) -> frozenset[str]:
    """Return the processors of saved methods and open attempts."""
    methods = select(PaymentMethod.processor).where(PaymentMethod.removed_at.is_(None))
    attempts = select(Attempt.processor).where(Attempt.state.in_(OPEN_STATES))
    return frozenset(connection.scalars(methods.union(attempts)))


def _count(connection: Connection, table: type[Base]) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0
