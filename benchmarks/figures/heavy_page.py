"""The page of an account with 100,000 ledger entries in the 30 days that its chart shows."""

from datetime import datetime, timedelta

from benchmarks import customers, homes, http
from benchmarks.bench import CONNECTIONS, Bench, House, alternate
from benchmarks.customers import PAGE, Customer
from benchmarks.load import milliseconds, told
from benchmarks.rows import Row
from webapp.actions.post_usage import post_usage
from webapp.domain.money import MICROS
from webapp.domain.usage import Usage
from webapp.extensions import Parts, db

ENTRIES, BATCH = 100_000, 1_000


def measure(bench: Bench) -> list[Row]:
    house = bench.house
    customer = _heavy_customer(house)
    browser = customers.sign_in(house.server.url, customer.email)
    heavy = [[http.get(house.server, PAGE, browser)]] * CONNECTIONS
    usual = [[http.get(house.server, PAGE, house.browser)]] * CONNECTIONS
    ours, bound = alternate(
        bench.sizes.rounds,
        lambda: bench.drive(house.server, heavy),
        lambda: bench.drive(house.server, usual),
    )
    return [
        Row(
            figure=f"The page of an account with {ENTRIES:,} ledger entries",
            unit="ms a page",
            ours=milliseconds(ours),
            bound=milliseconds(bound),
            bound_is="the demo account's page",
            aim=None,
            details=told(ours, bound),
        )
    ]


def _heavy_customer(house: House) -> Customer:
    with homes.application(house.home) as it:
        customer = customers.sign_up(it, balance=1_000_000 * MICROS, cards=customers.METHODS)
        batches = ENTRIES // BATCH
        for batch in range(batches):
            _post(it, customer, it.clock.now() - timedelta(days=29) * (1 - batch / batches))
    return customer


def _post(it: Parts, customer: Customer, at: datetime) -> None:
    usages = [Usage(21_500, f"{at:%d%H%M%S}-{n}", at, "Outbound calls") for n in range(BATCH)]
    post_usage(db.session(), customer.account_id, usages, at, it.policy)
