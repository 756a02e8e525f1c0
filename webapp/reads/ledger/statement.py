"""The statement: ledger entries with running balance, for one month or all, newest first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_

from webapp.database.base import UtcDateTime
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.domain.usage.funds import Funds
from webapp.reads.ledger.months import Month
from webapp.reads.payments.named_payments import Named, payments_of_attempts

PAGE = 100
BATCH = 1000
"""Rows of the CSV file read at a time."""

KINDS = {
    EntryKind.USAGE: "Usage",
    EntryKind.USAGE_REVERSAL: "Usage reversal",
    EntryKind.PAYMENT: "Payment",
    EntryKind.ADJUSTMENT: "Adjustment",
    EntryKind.REFUND: "Refund",
    EntryKind.DISPUTE: "Dispute",
    EntryKind.REVERSAL: "Reversal",
}

COLUMNS = (
    "Posted", "Occurred", "Description", "Kind", "Reference", "Payment", "Amount", "Balance",
    "Currency",
)  # fmt: skip


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
    """Balance after the entry, rounded down to the minor unit."""
    payment: Named | None
    """The payment behind the entry (E2)."""


@dataclass(frozen=True)
class StatementDay:
    name: str
    lines: tuple[StatementLine, ...]


@dataclass(frozen=True)
class Totals:
    """Exact totals of a month, in micros."""

    opening: int
    added: int
    used: int
    """Sum of all debits."""
    closing: int


@dataclass(frozen=True)
class ShownTotals:
    opening: str
    added: str
    used: str
    closing: str


@dataclass(frozen=True)
class StatementScreen:
    balance: str
    available: str
    """Balance minus holds; empty without holds (T12)."""
    currency: str
    month: Month | None
    """None: all months."""
    months: tuple[Month, ...]
    """Months to choose from, newest first."""
    totals: ShownTotals | None
    is_current: bool
    """The month is not over, so its closing balance is the current one."""
    days: tuple[StatementDay, ...]
    older: int | None
    newer: bool

    @property
    def query(self) -> dict[str, str]:
        return {"month": self.month.key if self.month else "all"}


def read_statement(
    ctx: Context, account_id: int, month: Month | None = None, *, before: int | None = None
) -> StatementScreen:
    """Read one page; `before` is the last entry id of the previous page."""
    account = ctx.session.get_one(Account, account_id)
    zone = account.time_zone
    last = ctx.session.get(LedgerEntry, before) if before is not None else None
    query = _entries(account, month)
    if before is not None:
        query = query.where(_place() < _at(last, account_id, before))
    newest = query.order_by(LedgerEntry.posted_at.desc(), LedgerEntry.id.desc())
    found = ctx.session.scalars(newest.limit(PAGE + 1)).all()
    shown = found[:PAGE]
    funds = Funds.of(ctx, account_id)
    days = groupby(shown, lambda entry: datetimes.weekday_and_day(entry.posted_at, zone, ctx.now))
    named = payments_of_attempts(ctx, [entry.attempt_id for entry in shown])
    return StatementScreen(
        balance=account.show(account.balance),
        available=account.show(funds.available) if funds.held else "",
        currency=account.currency,
        month=month,
        months=months_of(ctx, account),
        totals=_shown(account, read_totals(ctx, account, month)) if month else None,
        is_current=month == Month.of(ctx.now, zone),
        days=tuple(
            StatementDay(name, tuple(_line(account, entry, named) for entry in entries))
            for name, entries in days
        ),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def statement_lines(ctx: Context, account_id: int, month: Month | None) -> Iterator[Sequence[str]]:
    """Yield the CSV rows of every entry, oldest first, with exact amounts, without the header."""
    place: tuple[datetime, int] | None = None
    while True:
        account = ctx.session.get_one(Account, account_id)
        query = _entries(account, month)
        if place is not None:
            at, entry_id = place
            query = query.where(_place() > tuple_(literal(at, UtcDateTime()), literal(entry_id)))
        oldest = query.order_by(LedgerEntry.posted_at, LedgerEntry.id).limit(BATCH)
        batch = ctx.session.scalars(oldest).all()
        named = payments_of_attempts(ctx, [entry.attempt_id for entry in batch])
        lines = [_file_line(account, entry, named) for entry in batch]
        if batch:
            place = batch[-1].posted_at, batch[-1].id
        # Ends the transaction, so that a slow client holds no database resources.
        ctx.session.rollback()
        yield from lines
        if len(lines) < BATCH:
            return


def read_totals(ctx: Context, account: Account, month: Month) -> Totals:
    """Compute totals from running balances and credits, without summing all usage."""
    start, end = month.bounds(account.time_zone)
    opening, closing = (_balance_before(ctx, account, instant) for instant in (start, end))
    added = ctx.session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount), 0)).where(
            LedgerEntry.account_id == account.id,
            LedgerEntry.amount > 0,
            LedgerEntry.posted_at >= start,
            LedgerEntry.posted_at < end,
        )
    )
    credited = int(added or 0)
    return Totals(opening, credited, opening + credited - closing, closing)


def months_of(ctx: Context, account: Account) -> tuple[Month, ...]:
    """Return the months from the first entry to now, newest first."""
    first = ctx.session.scalar(
        select(LedgerEntry.posted_at)
        .where(LedgerEntry.account_id == account.id)
        .order_by(LedgerEntry.posted_at)
        .limit(1)
    )
    months = [Month.of(ctx.now, account.time_zone)]
    while first is not None and months[-1].bounds(account.time_zone)[0] > first:
        months.append(months[-1].previous)
    return tuple(months)


def _entries(account: Account, month: Month | None) -> Select[LedgerEntry]:
    query = select(LedgerEntry).where(LedgerEntry.account_id == account.id)
    if month is None:
        return query
    start, end = month.bounds(account.time_zone)
    return query.where(LedgerEntry.posted_at >= start, LedgerEntry.posted_at < end)


def _place() -> ColumnElement[tuple[datetime, int]]:
    return tuple_(LedgerEntry.posted_at, LedgerEntry.id)


def _at(
    last: LedgerEntry | None, account_id: int, before: int
) -> ColumnElement[tuple[datetime, int]]:
    """Return the page boundary; an id of no entry of this account counts by its number alone."""
    mine = last is not None and last.account_id == account_id
    at = last.posted_at if last is not None and mine else datetime.max.replace(tzinfo=UTC)
    return tuple_(literal(at, UtcDateTime()), literal(before))


def _balance_before(ctx: Context, account: Account, instant: datetime) -> int:
    found = ctx.session.scalar(
        select(LedgerEntry.balance_after)
        .where(LedgerEntry.account_id == account.id, LedgerEntry.posted_at < instant)
        .order_by(LedgerEntry.posted_at.desc(), LedgerEntry.id.desc())
        .limit(1)
    )
    return found or 0


def _shown(account: Account, totals: Totals) -> ShownTotals:
    return ShownTotals(
        opening=account.show(totals.opening),
        added=f"+{account.show(totals.added)}",
        used=f"−{account.show(totals.used)}",
        closing=account.show(totals.closing),
    )


def _line(account: Account, entry: LedgerEntry, named: Mapping[int, Named]) -> StatementLine:
    sign = "+" if entry.amount > 0 else "−"
    return StatementLine(
        id=entry.id,
        time=datetimes.clock_time(entry.posted_at, account.time_zone),
        kind=KINDS[EntryKind(entry.kind)],
        description=entry.description,
        reference=entry.reference or "",
        amount=f"{sign}{account.amounts.exact(abs(entry.amount))}",
        is_credit=entry.amount > 0,
        balance=account.show(entry.balance_after),
        payment=named.get(entry.attempt_id or 0),
    )


def _file_line(account: Account, entry: LedgerEntry, named: Mapping[int, Named]) -> tuple[str, ...]:
    payment = named.get(entry.attempt_id or 0)
    posted, occurred = (
        datetimes.local(at, account.time_zone).isoformat(timespec="seconds")
        for at in (entry.posted_at, entry.occurred_at)
    )
    return (
        posted,
        occurred,
        entry.description,
        KINDS[EntryKind(entry.kind)],
        entry.reference or "",
        payment.reference if payment else "",
        money.decimal_text(entry.amount),
        money.decimal_text(entry.balance_after),
        account.currency,
    )
