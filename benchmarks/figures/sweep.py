"""The sweep: find accounts below their threshold and open a top-up for each.

They fell below while the installation's automatic refills were off, so no top-up is open.
"""

import sqlite3
import time
from contextlib import closing
from itertools import count
from pathlib import Path

from benchmarks import customers, homes, sqlite
from benchmarks.bench import Bench
from benchmarks.rows import Row, at_most
from webapp.actions.top_ups.sweep import sweep
from webapp.domain.shared.money import MICROS
from webapp.extensions import db, make_context

FIND = """
SELECT account.id FROM account JOIN low_balance_settings ON account_id = account.id
WHERE refill_on AND balance < threshold AND NOT EXISTS (
    SELECT 1 FROM top_up WHERE top_up.account_id = account.id AND state = 'open')"""
OPEN = "INSERT INTO top_up (account_id, state, cause, opened_at) VALUES (?, 'open', 'sweep', ?)"


def measure(bench: Bench) -> list[Row]:
    sizes = bench.sizes
    many = Crowd(bench.crowd(sizes.accounts), sizes.accounts, sizes.due)
    fewer = Crowd(bench.crowd(sizes.fewer_due), sizes.fewer_due, sizes.due)
    times = [(many.sweep(), fewer.sweep(), many.sweep_by_sql()) for _ in range(sizes.rounds)]
    homes.prove(bench.crowd(sizes.fewer_due))
    ours, among_fewer, by_sql = zip(*times, strict=True)
    what = f"Sweep that finds {sizes.due} due among"
    return [
        Row(
            figure=f"{what} {sizes.accounts:,}",
            unit="ms",
            ours=ours,
            bound=among_fewer,
            bound_is=f"the same among {sizes.fewer_due:,}",
            aim=at_most(1.5, "1.5 ×"),
        ),
        Row(
            figure=f"{what} {sizes.accounts:,}",
            unit="ms",
            ours=ours,
            bound=by_sql,
            bound_is="bare SQL: one query, a durable row for each",
            aim=at_most(3, "3 ×"),
        ),
    ]


class Crowd:
    """An installation in which each round makes other accounts due."""

    def __init__(self, home: Path, accounts: int, due: int) -> None:
        self._home, self._due = home, due
        self._step = accounts // due
        self._turns = count(1)
        with homes.application(home):  # warm-up: no round is the first to read the file
            sweep(make_context())

    def sweep(self) -> float:
        """Sweep once and return milliseconds."""
        self._make_due()
        with homes.application(self._home):
            db.session.connection()
            begin = time.perf_counter()
            opened = sweep(make_context())
            return self._taken(begin, opened)

    def sweep_by_sql(self) -> float:
        self._make_due()
        with closing(sqlite.connect(self._home / "ballast.db")) as database:
            begin = time.perf_counter()
            return self._taken(begin, _sweep_by_sql(database))

    def _taken(self, begin: float, opened: int) -> float:
        taken = time.perf_counter() - begin
        if opened != self._due:
            raise RuntimeError(f"{self._due} accounts were due, {opened} top-ups were opened")
        return taken * 1000

    def _make_due(self) -> None:
        turn = next(self._turns)
        with homes.application(self._home, AUTOMATIC_PAYMENTS="off") as it:
            for index in range(self._due):
                customers.debit(it, index * self._step + turn, 60 * MICROS)


def _sweep_by_sql(database: sqlite3.Connection) -> int:
    due = database.execute(FIND).fetchall()
    for (account_id,) in due:
        database.execute("BEGIN IMMEDIATE")
        database.execute(OPEN, (account_id, "2026-11-22 10:00:00.000000"))
        database.execute("COMMIT")
    return len(due)
