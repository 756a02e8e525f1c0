"""The default daily limit, for accounts without a chosen one (T10)."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import bindparam, select

from webapp.database.statements import select_columns, sql_literal
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import Choice
from webapp.domain.usage.reversals import UsageReversal

DAYS = 30


def with_default_limit(ctx: Context, account: Account, choice: Choice) -> Choice:
    """Return the choice with the default daily limit, if it lacks one."""
    if not choice.lacks_day_limit:
        return choice
    return choice.with_day_limit(busiest_day(ctx, account), account.currency)


def busiest_day(ctx: Context, account: Account) -> int:
    """Return the highest usage of one of the last 30 days, including today, in micros.

    Days are in the account's time zone. The cost does not depend on the number of usage records:
    usage is computed from the balances at each midnight and the entries that are not usage.
    Reversed usage does not count on the day on which it was posted (L16).
    """
    today = datetimes.local(ctx.now, account.time_zone).date()
    starts = [
        datetimes.midnight(today - timedelta(days=back), account.time_zone)
        for back in reversed(range(DAYS))
    ]
    asked: dict[str, object] = {"account_id": account.id}
    bounds = {f"start_{number}": start for number, start in enumerate(starts)}
    reached = select_columns(ctx.session, _BALANCES, asked | bounds).one()
    balances = [*(balance or 0 for balance in reached), account.balance]
    used = [before - after for before, after in pairwise(balances)]
    others: Iterable[Any] = select_columns(ctx.session, _NOT_USAGE, asked | {"first": starts[0]})
    for posted_at, amount, usage_posted_at in others:
        used[bisect_right(starts, posted_at) - 1] += amount
        if usage_posted_at is not None and usage_posted_at >= starts[0]:
            used[bisect_right(starts, usage_posted_at) - 1] -= amount
    return max(0, *used)


_BALANCES = select(
    *(
        select(LedgerEntry.balance_after)
        .where(
            LedgerEntry.account_id == bindparam("account_id"),
            LedgerEntry.posted_at < bindparam(f"start_{number}"),
        )
        .order_by(LedgerEntry.posted_at.desc(), LedgerEntry.id.desc())
        .limit(1)
        .scalar_subquery()
        for number in range(DAYS)
    )
)
_NOT_USAGE = (
    select(LedgerEntry.posted_at, LedgerEntry.amount, UsageReversal.usage_posted_at)
    .outerjoin(UsageReversal, UsageReversal.id == LedgerEntry.usage_reversal_id)
    .where(
        LedgerEntry.account_id == bindparam("account_id"),
        LedgerEntry.posted_at >= bindparam("first"),
        LedgerEntry.kind != sql_literal(EntryKind.USAGE),
    )
)
