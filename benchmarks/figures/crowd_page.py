"""The same page where a million other accounts live, and where a thousand do."""

from pathlib import Path

from benchmarks import customers, homes, http
from benchmarks.bench import CONNECTIONS, Bench, alternate
from benchmarks.customers import Customer
from benchmarks.load import milliseconds, told
from benchmarks.rows import Row, at_most
from benchmarks.servers import Server


def measure(bench: Bench) -> list[Row]:
    sizes = bench.sizes
    many, few = bench.crowd(sizes.accounts), bench.crowd(sizes.few)
    with (
        bench.serving(many, f"{sizes.accounts:,} accounts") as here,
        bench.serving(few, f"{sizes.few:,} accounts") as there,
    ):
        pages = _pages(here, _guests(many, sizes.accounts))
        pages_there = _pages(there, _guests(few, sizes.few))
        ours, bound = alternate(
            sizes.rounds,
            lambda: bench.drive(here, pages),
            lambda: bench.drive(there, pages_there),
        )
    return [
        Row(
            figure=f"The page at {sizes.accounts:,} accounts, {sizes.accounts * 10:,} ledger rows",
            unit="ms a page",
            ours=milliseconds(ours),
            bound=milliseconds(bound),
            bound_is=f"the same page at {sizes.few:,} accounts",
            aim=at_most(1.2, "1.2 ×"),
            details=told(ours, bound),
        )
    ]


def _guests(home: Path, accounts: int) -> list[Customer]:
    """One for each connection, spread over the crowd, now with ten methods."""
    step = accounts // CONNECTIONS
    with homes.application(home) as it:
        ids = [index * step + step // 2 for index in range(CONNECTIONS)]
        for account_id in ids:
            customers.add_cards(it, account_id, customers.METHODS - 1)
        return [customers.owner_of(account_id) for account_id in ids]


def _pages(server: Server, guests: list[Customer]) -> list[list[bytes]]:
    browsers = [customers.sign_in(server.url, guest.email) for guest in guests]
    return [[http.get(server, customers.PAGE, browser)] for browser in browsers]
