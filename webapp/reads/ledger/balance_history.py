"""The balance over a span of time, at a cost that does not grow with the number of entries.

Up to `FEW` entries are read directly. For more, the balance is sampled at given instants and all
credits are kept: between two credits a balance only falls, so the extremes stay exact.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import JSON, Row, bindparam, exists, func, select, text

from webapp.database.statements import select_columns, sql_literal, sqlite_timestamp
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import Context
from webapp.domain.usage.reversals import UsageReversal

FEW = 200
"""Entries up to which all are read; a chart cannot show more."""


class Movement(NamedTuple):
    """A balance change, or a sampled balance, in micros."""

    at: datetime
    balance: int
    credit: int = 0
    """Amount credited; 0 for a debit or a sample."""
    is_refill: bool = False
    usage_at: datetime | None = None
    """When the usage was posted that the credit reverses (L16)."""


@dataclass(frozen=True)
class BalanceHistory:
    start: datetime
    opening: int | None
    """Balance before the first movement; None if the ledger begins after the start."""
    movements: tuple[Movement, ...]
    """Oldest first."""

    @property
    def is_empty(self) -> bool:
        return self.opening is None and not self.movements

    @property
    def refills(self) -> list[Movement]:
        return [movement for movement in self.movements if movement.is_refill]

    @property
    def extremes(self) -> list[int]:
        """Balances in micros that include the lowest and the highest."""
        reached = [
            balance
            for movement in self.movements
            for balance in (movement.balance - movement.credit, movement.balance)
        ]
        return reached if self.opening is None else [self.opening, *reached]

    def at(self, instants: Sequence[datetime]) -> list[int]:
        """Return the balance at each of the instants, in micros."""
        reached = [movement.at for movement in self.movements]
        positions = (bisect_right(reached, instant) for instant in instants)
        opening = self.opening or 0
        return [self.movements[end - 1].balance if end else opening for end in positions]

    def falls_before(self, instant: datetime) -> bool:
        return any(movement.at <= instant and not movement.credit for movement in self.movements)


_WITHIN = (
    LedgerEntry.account_id == bindparam("account_id"),
    LedgerEntry.posted_at >= bindparam("start"),
)
# The number of entries, counted up to FEW + 1, and the balance before the first of them.
_SPAN = select(
    select(func.count())
    .select_from(select(LedgerEntry.id).where(*_WITHIN).limit(FEW + 1).subquery())
    .scalar_subquery(),
    select(LedgerEntry.balance_after - LedgerEntry.amount)
    .where(*_WITHIN)
    .order_by(LedgerEntry.posted_at, LedgerEntry.id)
    .limit(1)
    .scalar_subquery(),
)
_MOVEMENTS = (
    select(
        LedgerEntry.posted_at,
        LedgerEntry.balance_after,
        LedgerEntry.amount,
        Attempt.automatic,
        UsageReversal.usage_posted_at,
    )
    .outerjoin(Attempt, Attempt.id == LedgerEntry.attempt_id)
    .outerjoin(UsageReversal, UsageReversal.id == LedgerEntry.usage_reversal_id)
)
_ENTRIES = _MOVEMENTS.where(*_WITHIN).order_by(LedgerEntry.posted_at, LedgerEntry.id)


def evenly(start: datetime, now: datetime, points: int) -> list[datetime]:
    step = (now - start) / points
    return [start + step * number for number in range(1, points + 1)]


def read_history(
    ctx: Context,
    account: Account,
    start: datetime,
    samples: Sequence[datetime],
    most_credits: int = FEW,
) -> BalanceHistory:
    """Read the balance from `start` on.

    A history of more than `FEW` entries is sampled at `samples`, whose last instant is now, and
    keeps only the newest `most_credits` credits.
    """
    span = {"account_id": account.id, "start": start}
    count, opening = select_columns(ctx.session, _SPAN, span).one()
    if count > FEW:
        movements = _thinned(ctx, account.id, start, samples, most_credits)
    else:
        movements = tuple(_movement(row) for row in select_columns(ctx.session, _ENTRIES, span))
    if opening is None:
        opening = account.balance
    begins = opening == 0 and not _has_entries_before(ctx, account.id, start)
    return BalanceHistory(start, None if begins else opening, movements)


def _movement(entry: Row[*tuple[Any, ...]]) -> Movement:
    return Movement(
        at=entry.posted_at,
        balance=entry.balance_after,
        credit=max(entry.amount, 0),
        is_refill=bool(entry.automatic),
        usage_at=entry.usage_posted_at,
    )


def _has_entries_before(ctx: Context, account_id: int, start: datetime) -> bool:
    earlier = exists().where(LedgerEntry.account_id == account_id, LedgerEntry.posted_at < start)
    return bool(ctx.session.scalar(select(earlier)))


_CREDITS = (
    _MOVEMENTS.where(
        LedgerEntry.account_id == bindparam("account_id"),
        LedgerEntry.posted_at >= bindparam("start"),
        LedgerEntry.amount > sql_literal(0),
    )
    .order_by(LedgerEntry.posted_at.desc())
    .limit(bindparam("credits"))
)
# One parameter for all instants and one row for all balances: separate parameters and rows cost
# more than the look-ups.
_REACHED = """
SELECT {gather}((
    SELECT balance_after FROM ledger_entry
    WHERE account_id = :account_id AND posted_at <= {instant}
    ORDER BY posted_at DESC, id DESC LIMIT 1
){order}) AS reached FROM {instants}"""
_SAMPLES = {
    dialect: text(_REACHED.format(**words)).columns(reached=JSON)
    for dialect, words in {
        "sqlite": {
            "gather": "json_group_array",
            "instant": "value",
            "order": "",  # json_each keeps it
            "instants": "json_each(:instants)",
        },
        "postgresql": {
            "gather": "json_agg",
            "instant": "CAST(value || '+00' AS timestamptz)",
            "order": " ORDER BY number",
            "instants": "json_array_elements_text(CAST(:instants AS json)) "
            "WITH ORDINALITY AS instant (value, number)",
        },
    }.items()
}


_timestamp = lru_cache(maxsize=1024)(sqlite_timestamp)
"""Cached, because nearly all sample instants stay the same until midnight."""


def _thinned(
    ctx: Context, account_id: int, start: datetime, instants: Sequence[datetime], most_credits: int
) -> tuple[Movement, ...]:
    account = {"account_id": account_id}
    params = account | {"instants": json.dumps([_timestamp(instant) for instant in instants])}
    connection = ctx.session.connection()
    samples = connection.execute(_SAMPLES[connection.dialect.name], params).scalar_one()
    bounds = {"start": start, "credits": most_credits}
    movements = [_movement(row) for row in select_columns(ctx.session, _CREDITS, account | bounds)]
    # Appended after the credits: a sample includes all entries of its instant.
    movements += [
        Movement(instant, balance)
        for instant, balance in zip(instants, samples, strict=True)
        if balance is not None
    ]
    return tuple(sorted(movements, key=lambda movement: movement.at))
