"""The ledger with its running balance, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain import moments, money
from webapp.domain.accounts import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.reads.holds import read_standing
from webapp.reads.named_payments import Named, payments_of_attempts

PAGE = 100

KINDS = {
    EntryKind.USAGE: "Usage",
    EntryKind.PAYMENT: "Payment",
    EntryKind.ADJUSTMENT: "Adjustment",
    EntryKind.REFUND: "Refund",
    EntryKind.DISPUTE: "Dispute",
    EntryKind.REVERSAL: "Reversal",
}


@dataclass(frozen=True)
class StatementLine:
    id: int
    time: str
    kind: str
    description: str
    reference: str
    amount: str
    """Exact, with its sign: "−0.0423", "+100.00"."""
    is_credit: bool
    balance: str
    """After it; rounded down to the cent."""
    payment: Named | None
    """What the money comes from (E2)."""


@dataclass(frozen=True)
class StatementDay:
    name: str
    lines: tuple[StatementLine, ...]


@dataclass(frozen=True)
class StatementScreen:
    balance: str
    available: str
    """The balance without what calls in progress hold; empty where nothing is held (T12)."""
    currency: str
    days: tuple[StatementDay, ...]
    older: int | None
    newer: bool


def read_statement(
    session: Session, account_id: int, now: datetime, *, before: int | None = None
) -> StatementScreen:
    account = session.get_one(Account, account_id)
    zone = account.time_zone
    query = select(LedgerEntry).where(LedgerEntry.account_id == account_id)
    if before is not None:
        query = query.where(LedgerEntry.id < before)
    found = session.scalars(query.order_by(LedgerEntry.id.desc()).limit(PAGE + 1)).all()
    shown = found[:PAGE]
    standing = read_standing(session, account, now)
    days = groupby(shown, lambda entry: moments.weekday_and_day(entry.posted_at, zone, now))
    named = payments_of_attempts(session, [entry.attempt_id for entry in shown])
    return StatementScreen(
        balance=account.show(account.balance),
        available=account.show(standing.available) if standing.held else "",
        currency=account.currency,
        days=tuple(
            StatementDay(name, tuple(_line(account, entry, named) for entry in entries))
            for name, entries in days
        ),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def _line(account: Account, entry: LedgerEntry, named: Mapping[int, Named]) -> StatementLine:
    sign = "+" if entry.amount > 0 else "−"
    return StatementLine(
        id=entry.id,
        time=moments.clock_time(entry.posted_at, account.time_zone),
        kind=KINDS[EntryKind(entry.kind)],
        description=entry.description,
        reference=entry.reference or "",
        amount=f"{sign}{money.decimal_text(abs(entry.amount))}",
        is_credit=entry.amount > 0,
        balance=account.show(entry.balance_after),
        payment=named.get(entry.attempt_id or 0),
    )
