"""Usage posted one record per request, each durable before its response."""

import json
from secrets import token_hex

from benchmarks import customers, homes, http
from benchmarks.bench import CONNECTIONS, Bench, alternate
from benchmarks.load import MARK, details, rates
from benchmarks.rows import Row, at_least
from webapp.domain.shared.money import MICROS


def measure(bench: Bench) -> list[Row]:
    installation, bare = bench.default, bench.bare
    with homes.application(installation.home) as it:
        customer = customers.sign_up(it, balance=1_000_000 * MICROS)
    run = token_hex(4)
    record = json.dumps(
        {
            "amount": "0.021500",
            "reference": f"{run}-{MARK.decode()}",
            "description": "Outbound calls, Ireland mobile",
            "occurred_at": f"{it.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        }
    ).encode()
    post = http.post_json(installation.server, "/api/v1/usage", record, customer.api_key)
    least = http.post_json(bare, "/usage", record, customer.api_key)
    ours, bound = alternate(
        bench.sizes.rounds,
        lambda: bench.drive(installation.server, [[post]] * CONNECTIONS, expect=201),
        lambda: bench.drive(bare, [[least]] * CONNECTIONS, expect=201),
    )
    customers.prove_posted(
        installation.home, [customer.account_id], run, sum(load.answered for load in ours)
    )
    return [
        Row(
            figure="Usage, one record per request, durable",
            unit="records/s",
            ours=rates(ours),
            bound=rates(bound),
            bound_is="bare SQLite commit through bare Flask",
            aim=at_least(1 / 2, "1/2"),
            details=details(ours, bound),
        )
    ]
