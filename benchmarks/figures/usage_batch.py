"""Usage posted in batches of 1,000 records, of one account and of many (V2)."""

import json
import time
from itertools import count
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp

from benchmarks import customers, homes, http, sqlite
from benchmarks.bench import ACCOUNTS, Bench, alternate
from benchmarks.load import MARK, details
from benchmarks.rows import Row, at_least
from webapp.domain.shared.money import MICROS

BATCH = 1_000


def measure(bench: Bench) -> list[Row]:
    installation = bench.default
    with homes.application(installation.home) as it:
        customer = customers.sign_up(it, balance=1_000_000 * MICROS)
        now = it.clock.now()
    provider, many = bench.provider, bench.provider.accounts
    run = token_hex(4)
    records: list[dict[str, object]] = [
        {
            "amount": "0.021500",
            "reference": f"{run}-{MARK.decode()}-{index}",
            "description": "Outbound calls, Ireland mobile",
            "occurred_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        }
        for index in range(BATCH)
    ]
    server = installation.server
    post = http.post_json(server, "/api/v1/usage", _body(records), customer.api_key)
    named = [{"account": many[index % ACCOUNTS], **it} for index, it in enumerate(records)]
    post_many = http.post_json(server, "/api/v1/usage", _body(named), provider.key)
    bare = BareLedger(bench.folder, installation.home, bench.sizes.seconds)
    # One connection, because the bound also takes one batch after the other.
    pairs, bound = alternate(
        bench.sizes.rounds,
        lambda: (
            bench.drive(server, [[post]], expect=201),
            bench.drive(server, [[post_many]], expect=201),
        ),
        bare.records_per_second,
    )
    ours, of_many = [one for one, _ in pairs], [other for _, other in pairs]
    answered = sum(load.answered for load in (*ours, *of_many))
    customers.prove_posted(installation.home, [customer.account_id, *many], run, answered * BATCH)
    rates = tuple(load.per_second * BATCH for load in ours)
    return [
        Row(
            figure="Usage, 1,000 records per request",
            unit="records/s",
            ours=rates,
            bound=tuple(bound),
            bound_is="bare executemany of the same rows, one transaction",
            aim=at_least(1 / 3, "1/3"),
            details=details(ours),
        ),
        Row(
            figure=f"Usage, 1,000 records of {ACCOUNTS} accounts per request",
            unit="records/s",
            ours=tuple(load.per_second * BATCH for load in of_many),
            bound=rates,
            bound_is="1,000 records of one account per request",
            aim=at_least(1 / 2, "1/2"),
            details=details(of_many),
        ),
    ]


def _body(records: list[dict[str, object]]) -> bytes:
    return json.dumps({"records": records}).encode()


class BareLedger:
    """The ledger's table and indexes in a separate file, without triggers."""

    def __init__(self, folder: Path, like: Path, seconds: float) -> None:
        home = Path(mkdtemp(prefix="ledger-", dir=folder))
        self._database = sqlite.bare_ledger(home / "ledger.db", like / "ballast.db")
        self._seconds = seconds
        self._batches = count()

    def records_per_second(self) -> float:
        begin = time.perf_counter()
        posted = 0
        while (taken := time.perf_counter() - begin) < self._seconds:
            batch = next(self._batches)
            rows = [sqlite.ledger_row(1, 21_500, f"{batch:012d}-{n}") for n in range(BATCH)]
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(sqlite.INSERT, rows)
            self._database.execute("COMMIT")
            posted += BATCH
        return posted / taken
