"""A month's printable statement: one line of usage per day, every other entry by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.provider import Provider
from webapp.reads.ledger.months import Month
from webapp.reads.ledger.statement import read_totals
from webapp.reads.payments.receipt import named_lines

MOST_LINES = 5000
"""Most payments and adjustments printed, about a hundred pages; the CSV file has all."""


@dataclass(frozen=True)
class PaperLine:
    day: str
    words: str
    amount: str
    balance: str
    is_payment: bool


@dataclass(frozen=True)
class StatementPaper:
    month: str
    account: str
    provider: tuple[str, ...]
    customer: tuple[str, ...]
    totals: tuple[tuple[str, str], ...]
    closing: tuple[str, str]
    lines: tuple[PaperLine, ...]
    """Oldest first."""
    note: str

    @property
    def words(self) -> str:
        """Full text, to select fonts by script."""
        lines = (line.words for line in self.lines)
        return " ".join([*self.provider, *self.customer, self.account, *lines])


def read_statement_paper(
    ctx: Context, account_id: int, month: Month, provider: Provider
) -> StatementPaper:
    account = ctx.session.get_one(Account, account_id)
    totals = read_totals(ctx, account, month)
    details = account.billing_details()
    over = month.bounds(account.time_zone)[1] <= ctx.now
    return StatementPaper(
        month=month.name,
        account=f"{account.name}, no. {account.id}",
        provider=named_lines(provider.name, provider.lines, provider.tax_name, provider.tax_number),
        customer=named_lines(
            details["name"], details["address"].splitlines(), "Tax", details["tax_number"]
        ),
        totals=(
            ("Opening balance", account.show(totals.opening)),
            ("Credits", account.show(totals.added)),
            ("Usage and debits", f"−{account.show(totals.used)}"),
        ),
        closing=("Closing balance" if over else "Balance so far", account.show(totals.closing)),
        lines=tuple(_lines(ctx, account, month)),
        note=(
            f"Amounts are exact, in {account.currency}. Balances are rounded down. "
            f"Dates are in {account.time_zone}. Individual usage records are in the CSV file."
        ),
    )


def _lines(ctx: Context, account: Account, month: Month) -> Iterator[PaperLine]:
    start, end = month.bounds(account.time_zone)
    others = ctx.session.scalars(
        select(LedgerEntry)
        .where(
            LedgerEntry.account_id == account.id,
            LedgerEntry.posted_at >= start,
            LedgerEntry.posted_at < end,
            LedgerEntry.kind != EntryKind.USAGE,
        )
        .order_by(LedgerEntry.posted_at, LedgerEntry.id)
        .limit(MOST_LINES)
    ).all()
    day, left = start, list(others)
    while day < end:
        noon = day + timedelta(hours=12)
        after = datetimes.start_of_next_day(noon, account.time_zone)
        name = f"{day.day} {datetimes.MONTHS[day.month - 1]}"
        while left and left[0].posted_at < after:
            yield _entry(account, name, left.pop(0))
        if used := _used(ctx, account, name, day, after):
            yield used
        day = after


def _entry(account: Account, day: str, entry: LedgerEntry) -> PaperLine:
    sign = "+" if entry.amount > 0 else "−"
    amount = f"{sign}{account.amounts.exact(abs(entry.amount))}"
    balance = account.show(entry.balance_after)
    return PaperLine(day, entry.description, amount, balance, is_payment=True)


def _used(
    ctx: Context, account: Account, name: str, start: datetime, end: datetime
) -> PaperLine | None:
    """Return one line for all usage of a day, with the balance at its end."""
    within = (
        LedgerEntry.account_id == account.id,
        LedgerEntry.posted_at >= start,
        LedgerEntry.posted_at < end,
    )
    count, total = ctx.session.execute(
        select(func.count(), func.sum(LedgerEntry.amount)).where(
            *within, LedgerEntry.kind == EntryKind.USAGE
        )
    ).one()
    if not count:
        return None
    last = ctx.session.scalar(
        select(LedgerEntry.balance_after)
        .where(*within)
        .order_by(LedgerEntry.posted_at.desc(), LedgerEntry.id.desc())
        .limit(1)
    )
    words = f"Usage, {count:,} {'entry' if count == 1 else 'entries'}"
    amount = f"−{account.amounts.exact(-int(total))}"
    return PaperLine(name, words, amount, account.show(last or 0), is_payment=False)
