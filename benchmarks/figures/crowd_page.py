"""The main screen with a million other accounts, compared with a thousand."""

from functools import partial
from pathlib import Path

from benchmarks import customers, growth, homes, http
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.customers import Customer
from benchmarks.rows import Row
from benchmarks.servers import Server


def measure(bench: Bench) -> list[Row]:
    accounts = bench.sizes.accounts

    def make(count: int) -> tuple[Path, growth.Asks]:
        home = bench.crowd(count)
        return home, partial(_pages, _guests(home, count))

    return growth.measure(
        bench,
        "accounts",
        make,
        figure=f"The page at {accounts:,} accounts, {accounts * 10:,} ledger rows",
        bound_is="the same page",
    )


def _guests(home: Path, accounts: int) -> list[Customer]:
    """One customer per connection, spread over the accounts, with ten methods."""
    step = accounts // CONNECTIONS
    with homes.application(home) as it:
        ids = [index * step + step // 2 for index in range(CONNECTIONS)]
        for account_id in ids:
            customers.add_cards(it, account_id, customers.METHODS - 1)
        return [customers.owner_of(account_id) for account_id in ids]


def _pages(guests: list[Customer], server: Server) -> growth.Requests:
    browsers = [customers.sign_in(server.url, guest.email) for guest in guests]
    return [[http.get(server, customers.PAGE, browser)] for browser in browsers]
