"""Authorisations: holds granted one per request, each durable before its response (V5)."""

import json
from secrets import token_hex

from sqlalchemy import func, select

from benchmarks import homes, http
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.load import MARK, details, rates
from benchmarks.rows import Row, at_least, at_most
from webapp.domain.usage.holds import Hold
from webapp.extensions import db

AIM = 400
"""Authorisations per second."""


def measure(bench: Bench) -> list[Row]:
    """Each connection authorises calls of all accounts in turn.

    No hold ends, so in the last round each account has about a hundred open ones, as with 400 calls
    a second that last half a minute.
    """
    server, provider = bench.default.server, bench.provider
    run = token_hex(4)
    calls = [
        {
            "account": account,
            "reference": f"{run}-{MARK.decode()}",
            "rate_per_minute": "0.021",
            "increment": 6,
            "expires_in": 300,
        }
        for account in provider.accounts
    ]
    posts = [
        http.post_json(server, "/api/v1/holds", json.dumps(call).encode(), provider.key)
        for call in calls
    ]
    share = len(posts) // CONNECTIONS
    connections = [posts[n * share :] + posts[: n * share] for n in range(CONNECTIONS)]
    rounds = range(bench.sizes.rounds)
    full = [bench.drive(server, connections, expect=201) for _ in rounds]
    half = [bench.drive(server, connections, expect=201, per_second=AIM / 2) for _ in rounds]
    with homes.application(bench.default.home):
        held = db.session.scalar(select(func.count()).where(Hold.reference.startswith(run)))
    if held != (answered := sum(load.answered for load in (*full, *half))):
        raise RuntimeError(f"{answered} holds were granted, the database has {held}")
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
