"""The main screen of a signed-in customer with ten methods and 60 days of history."""

from benchmarks import http
from benchmarks.bench import CONNECTIONS, Bench, alternate
from benchmarks.customers import PAGE
from benchmarks.load import details, rates
from benchmarks.rows import Row, at_least


def measure(bench: Bench) -> list[Row]:
    installation, bare = bench.default, bench.bare
    page = [[http.get(installation.server, PAGE, installation.browser)]] * CONNECTIONS
    least = [[http.get(bare, "/")]] * CONNECTIONS
    ours, bound = alternate(
        bench.sizes.rounds,
        lambda: bench.drive(installation.server, page),
        lambda: bench.drive(bare, least),
    )
    return [
        Row(
            figure="Payment Methods page, signed in, 10 methods",
            unit="requests/s",
            ours=rates(ours),
            bound=rates(bound),
            bound_is="bare Flask view",
            aim=at_least(1 / 8, "1/8"),
            details=details(ours, bound),
        )
    ]
