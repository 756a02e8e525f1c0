"""An hour's customers due at the same moment, with a slow processor.

Their top-ups are opened in one commit while the installation serves. The ideal is as many charges
in progress at all times as the worker has threads.
"""

import time
from datetime import datetime
from math import ceil
from pathlib import Path

from sqlalchemy import func, select

from benchmarks import copies, customers, homes
from benchmarks.bench import Bench
from benchmarks.rows import Row, at_least, at_most
from webapp.background.worker import THREADS
from webapp.database.transactions import begin_writing
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.top_up import TopUp, TopUpState
from webapp.extensions import db

ANSWER = 0.2
"""Response time of the processor in seconds."""


def measure(bench: Bench) -> list[Row]:
    accounts = bench.sizes.at_once
    ideal = ceil(accounts / THREADS) * ANSWER
    runs = [_run(bench, accounts, ideal) for _ in range(bench.sizes.at_once_rounds)]
    what = f"{accounts:,} accounts due at once, processor answering in 200 ms"
    bound = tuple(accounts / ideal for _ in runs)
    return [
        Row(
            figure=what,
            unit="accounts/s",
            ours=tuple(accounts / max(waits) for waits in runs),
            bound=bound,
            bound_is=f"ideal for {THREADS} at once",
            aim=at_least(0.8, "80 %"),
            details={"ideal_s": ideal, "taken_s": [max(waits) for waits in runs]},
        ),
        Row(
            figure=f"{what}: the longest wait",
            unit="s",
            ours=tuple(max(waits) for waits in runs),
            bound=tuple(ideal for _ in runs),
            bound_is="ideal for the last",
            aim=at_most(2, "2 ×"),
        ),
    ]


def _run(bench: Bench, accounts: int, ideal: float) -> list[float]:
    """Seconds from due to credited for each account."""
    home = _due_home(bench, accounts)
    with bench.serving(home, f"{accounts:,} due at once"), homes.application(home) as it:
        begin = _open_all(it.clock.now(), accounts)
        end = time.monotonic() + 5 * ideal + 30
        while (left := _open()) and time.monotonic() < end:
            time.sleep(0.2)
        if left:
            raise RuntimeError(f"{left} of {accounts} top-ups are still open")
        query = select(TopUp.closed_at).where(TopUp.state == TopUpState.PAID)
        waits = [at.timestamp() - begin for at in db.session.scalars(query) if at]
    homes.prove(home)
    if len(waits) != accounts:
        raise RuntimeError(f"{len(waits)} of {accounts} top-ups were paid")
    return waits


def _due_home(bench: Bench, accounts: int) -> Path:
    home = homes.new_home(bench.folder)
    with homes.application(home, AUTOMATIC_PAYMENTS="off") as it:
        customer = customers.sign_up(it)
        customers.debit(it, customer.account_id, 60 * MICROS)
        homes.sandbox(it).latency = ANSWER
    copies.multiply(home, accounts)
    return home


def _open_all(now: datetime, accounts: int) -> float:
    """Open all top-ups in one commit and return its Unix time."""
    session = db.session()
    begin_writing(session)
    every = range(1, accounts + 1)
    session.add_all(TopUp(account_id=one, cause="usage", opened_at=now) for one in every)
    session.commit()
    return time.time()


def _open() -> int:
    db.session.rollback()
    query = select(func.count()).where(TopUp.state == TopUpState.OPEN)
    return db.session.scalar(query) or 0
