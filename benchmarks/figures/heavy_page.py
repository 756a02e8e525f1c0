"""The main screen of an account with 100,000 ledger entries in the chart's 30 days."""

import time
from datetime import datetime, timedelta

import requests

from benchmarks import customers, homes
from benchmarks.bench import Bench, Installation, alternate
from benchmarks.customers import PAGE, Customer
from benchmarks.rows import Row
from webapp.actions.usage.post_usage import post_usage
from webapp.domain.shared.money import MICROS
from webapp.domain.usage.record import Usage
from webapp.extensions import Services, make_context

ENTRIES, BATCH = 100_000, 1_000
PAGES = 5
"""Sequential requests per round: this page may be slow and is not typical load."""


def measure(bench: Bench) -> list[Row]:
    installation = bench.default
    customer = _heavy_customer(installation)
    browser = customers.sign_in(installation.server.url, customer.email)
    address = f"{installation.server.url}{PAGE}"
    ours, bound = alternate(
        bench.sizes.rounds,
        lambda: _milliseconds(browser, address),
        lambda: _milliseconds(installation.browser, address),
    )
    return [
        Row(
            figure=f"The page of an account with {ENTRIES:,} ledger entries",
            unit="ms",
            ours=tuple(ours),
            bound=tuple(bound),
            bound_is="the demo account's page",
            aim=None,
        )
    ]


def _heavy_customer(installation: Installation) -> Customer:
    with homes.application(installation.home) as it:
        customer = customers.sign_up(it, balance=1_000_000 * MICROS, cards=customers.METHODS)
        batches = ENTRIES // BATCH
        for batch in range(batches):
            _post(it, customer, it.clock.now() - timedelta(days=29) * (1 - batch / batches))
    return customer


def _post(services: Services, customer: Customer, at: datetime) -> None:
    usages = [Usage(21_500, f"{at:%d%H%M%S}-{n}", at, "Outbound calls") for n in range(BATCH)]
    post_usage(make_context().at(at), customer.account_id, usages)


def _milliseconds(browser: requests.Session, address: str) -> float:
    begin = time.perf_counter()
    for _ in range(PAGES):
        browser.get(address).raise_for_status()
    return (time.perf_counter() - begin) / PAGES * 1000
