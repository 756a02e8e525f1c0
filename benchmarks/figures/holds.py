"""Authorisations: holds granted one per request, each durable before its response (V5)."""

import json
from secrets import token_hex

from benchmarks import customers, homes, http
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.load import MARK, details, rates
from benchmarks.rows import Row, at_least, at_most
from webapp.domain.shared.money import MICROS

AIM = 400
"""Authorisations per second."""


def measure(bench: Bench) -> list[Row]:
    installation = bench.default
    with homes.application(installation.home) as it:
        customer = customers.sign_up(it, balance=1_000_000 * MICROS)
    sent = {
        "reference": f"{token_hex(4)}-{MARK.decode()}",
        "rate_per_minute": "0.021",
        "increment": 6,
        "expires_in": 300,
    }
    body = json.dumps(sent).encode()
    post = http.post_json(installation.server, "/api/v1/holds", body, customer.api_key)
    rounds = range(bench.sizes.rounds)
    connections = [[post]] * CONNECTIONS
    full = [bench.drive(installation.server, connections, expect=201) for _ in rounds]
    half = [
        bench.drive(installation.server, connections, expect=201, per_second=AIM / 2)
        for _ in rounds
    ]
    return [
        Row(
            figure="Holds authorised, one per request, durable",
            unit="holds/s",
            ours=rates(full),
            aim=at_least(AIM, str(AIM)),
            details=details(full),
        ),
        Row(
            figure=f"Holds authorised at {AIM // 2} a second, p99",
            unit="ms",
            ours=tuple(load.p99 * 1000 for load in half),
            aim=at_most(50, "50 ms"),
            details=details(half),
        ),
    ]
