"""How the balance moved over a span of time, at a bounded cost however many entries there are.

Few entries are read as they are. Of many, the balance is looked up at evenly spaced instants, and
every credit is kept: between two credits a balance only falls, so its extremes stay exact.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import JSON, bindparam, exists, func, select, text
from sqlalchemy.orm import Session

from webapp.database.base import select_columns, sql_literal, sqlite_timestamp
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments.payment import Attempt

FEW = 200
"""Entries; more than any picture of ours can tell apart."""


class Movement(NamedTuple):
    """The balance that was reached at an instant. Micros."""

    at: datetime
    balance: int
    credit: int = 0
    """What came in with it; 0 where it went down."""
    is_refill: bool = False


@dataclass(frozen=True)
class BalanceHistory:
    start: datetime
    opening: int | None
    """Before the first movement; None where there was nothing before the start."""
    movements: tuple[Movement, ...]
    """The oldest first."""

    @property
    def is_empty(self) -> bool:
        return self.opening is None and not self.movements

    @property
    def refills(self) -> list[Movement]:
        return [movement for movement in self.movements if movement.is_refill]

    @property
    def extremes(self) -> list[int]:
        """Micros; the lowest and the highest balance are among them."""
        reached = [
            balance for it in self.movements for balance in (it.balance - it.credit, it.balance)
        ]
        return reached if self.opening is None else [self.opening, *reached]

    def at(self, instants: Sequence[datetime]) -> list[int]:
        """The balance at each of these instants, in micros."""
        reached = [movement.at for movement in self.movements]
        positions = (bisect_right(reached, instant) for instant in instants)
        opening = self.opening or 0
        return [self.movements[it - 1].balance if it else opening for it in positions]

    def falls_before(self, instant: datetime) -> bool:
        return any(it.at <= instant and not it.credit for it in self.movements)


_WITHIN = (
    LedgerEntry.account_id == bindparam("account_id"),
    LedgerEntry.posted_at >= bindparam("start"),
)
# How many there are, counted no farther than one more than a few; and what was there before them.
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
_ENTRIES = (
    select(LedgerEntry.posted_at, LedgerEntry.balance_after, LedgerEntry.amount, Attempt.automatic)
    .outerjoin(Attempt, Attempt.id == LedgerEntry.attempt_id)
    .where(*_WITHIN)
    .order_by(LedgerEntry.posted_at, LedgerEntry.id)
)


def evenly(start: datetime, now: datetime, points: int) -> list[datetime]:
    step = (now - start) / points
    return [start + step * number for number in range(1, points + 1)]


def read_history(
    session: Session,
    account: Account,
    start: datetime,
    samples: Sequence[datetime],
    most_credits: int = FEW,
) -> BalanceHistory:
    """From `start` on; looked up at these `samples`, the last of them now, where it is long.

    At most so many credits are then kept, the newest.
    """
    span = {"account_id": account.id, "start": start}
    count, opening = select_columns(session, _SPAN, span).one()
    if count > FEW:
        movements = _thinned(session, account.id, start, samples, most_credits)
    else:
        movements = tuple(_movement(*row) for row in select_columns(session, _ENTRIES, span))
    if opening is None:
        opening = account.balance
    begins = opening == 0 and not _has_entries_before(session, account.id, start)
    return BalanceHistory(start, None if begins else opening, movements)


def _movement(at: datetime, balance: int, amount: int, automatic: bool | None) -> Movement:
    return Movement(at, balance, max(amount, 0), bool(automatic))


def _has_entries_before(session: Session, account_id: int, start: datetime) -> bool:
    earlier = exists().where(LedgerEntry.account_id == account_id, LedgerEntry.posted_at < start)
    return bool(session.scalar(select(earlier)))


_CREDITS = (
    select(LedgerEntry.posted_at, LedgerEntry.balance_after, LedgerEntry.amount, Attempt.automatic)
    .join(Attempt, Attempt.id == LedgerEntry.attempt_id)
    .where(
        LedgerEntry.account_id == bindparam("account_id"),
        LedgerEntry.posted_at >= bindparam("start"),
        LedgerEntry.amount > sql_literal(0),
    )
    .order_by(LedgerEntry.posted_at.desc())
    .limit(bindparam("credits"))
)
# One parameter for all instants and one row for all balances: each of them would cost more than the
# look-up itself, in bookkeeping and in hand-overs between threads.
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


_in_words = lru_cache(maxsize=1024)(sqlite_timestamp)
"""Nearly all instants of a chart are the same until midnight."""


def _thinned(
    session: Session,
    account_id: int,
    start: datetime,
    instants: Sequence[datetime],
    most_credits: int,
) -> tuple[Movement, ...]:
    account = {"account_id": account_id}
    asked = account | {"instants": json.dumps([_in_words(it) for it in instants])}
    connection = session.connection()
    samples = connection.execute(_SAMPLES[connection.dialect.name], asked).scalar_one()
    bounds = {"start": start, "credits": most_credits}
    movements = [_movement(*row) for row in select_columns(session, _CREDITS, account | bounds)]
    # After the credits, because a sample tells where its whole instant has led.
    movements += [
        Movement(instant, balance)
        for instant, balance in zip(instants, samples, strict=True)
        if balance is not None
    ]
    return tuple(sorted(movements, key=lambda movement: movement.at))
