"""Time from the response to a debit to the call of the processor.

The time of the response is taken here, as a meter sees it; the time of the call is from the
processor's books. Both use this machine's clock. A negative time means that the call came first.
"""

import http.client
import json
import random
import time
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from benchmarks import copies, customers, homes
from benchmarks.bench import Bench
from benchmarks.rows import Row, at_most
from benchmarks.servers import Server
from webapp.domain.payments.payment import Attempt
from webapp.extensions import db

PAUSE = (0.02, 0.12)
"""Seconds between two debits, random so that they meet the worker at any moment of its poll."""

PATIENCE = 30.0


def measure(bench: Bench) -> list[Row]:
    debits = bench.sizes.debits
    home = homes.new_home(bench.folder)
    with homes.application(home) as it:
        customers.sign_up(it)
    copies.multiply(home, debits)
    with bench.serving(home, "debits that start a charge") as server:
        answered = _debit_each(server, debits)
        called = _calls(home, debits)
    homes.prove(home)
    waits = sorted((called[account] - answered[account]) * 1000 for account in answered)
    rows = ((0.5, "p50", at_most(20, "20 ms")), (0.99, "p99", at_most(100, "100 ms")))
    return [
        Row(
            figure=f"Debit answered → processor called, {name} of {debits}",
            unit="ms",
            ours=(waits[int(len(waits) * share)],),
            aim=aim,
            details={"shortest_ms": waits[0], "longest_ms": waits[-1]},
        )
        for share, name, aim in rows
    ]


def _debit_each(server: Server, debits: int) -> dict[int, float]:
    """Debit each account and return the time of each response by account id."""
    meter = http.client.HTTPConnection("127.0.0.1", server.port)
    answered = {}
    for account_id in range(1, debits + 1):
        record = {"amount": "60.00", "reference": f"debit-{account_id}"}
        headers = {
            "Authorization": f"Bearer {copies.api_key(account_id - 1)}",
            "Content-Type": "application/json",
        }
        meter.request("POST", "/api/v1/usage", json.dumps(record), headers)
        answer = meter.getresponse()
        body = answer.read()
        answered[account_id] = time.time()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status}: {body[:500]!r}")
        time.sleep(random.uniform(*PAUSE))
    meter.close()
    return answered


def _calls(home: Path, debits: int) -> dict[int, float]:
    """Wait until the processor was called for all accounts and return the times."""
    end = time.monotonic() + PATIENCE
    with homes.application(home) as it:
        while time.monotonic() < end:
            db.session.rollback()
            accounts = dict(db.session.execute(select(Attempt.key, Attempt.account_id)).all())
            charges = homes.sandbox(it).charges(debits)
            called: dict[int, datetime] = {accounts[charge.key]: charge.at for charge in charges}
            if len(called) == debits:
                return {account_id: at.timestamp() for account_id, at in called.items()}
            time.sleep(0.2)
    raise RuntimeError(f"{debits} charges were expected, {len(called)} were made")
