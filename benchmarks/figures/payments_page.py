"""The payments list with a million payments, compared with a thousand.

First and deep pages, and pages of each filter and order, in turn.
"""

import sqlite3
from functools import partial
from pathlib import Path

from benchmarks import customers, growth, homes, http
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.customers import Customer
from benchmarks.rows import Row
from benchmarks.servers import Server
from webapp.actions.payments.pay import pay_now
from webapp.domain.payment_methods.payment_method import listed
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.money import MICROS
from webapp.extensions import db, make_context
from webapp.processors.sandbox.records import AnswerKind

PAGE = "/billing/payments"


def measure(bench: Bench) -> list[Row]:
    return growth.measure(
        bench,
        "payments",
        partial(_make, bench),
        figure=f"The payments page at {bench.sizes.accounts:,} payments, each filter and order",
        bound_is="the same pages",
    )


def _make(bench: Bench, payments: int) -> tuple[Path, growth.Asks]:
    home = homes.new_home(bench.folder)
    with homes.application(home) as it:
        customer = customers.sign_up(it, cards=3)
        method = listed(db.session(), customer.account_id)[0]
        homes.sandbox(it).queue_answer(AnswerKind.DECLINE, decline_code="insufficient_funds")
        pay_now(
            make_context(COMMAND_LINE),
            customer.account_id,
            method.id,
            30 * MICROS,
            "k" * 16,
        )
    database = sqlite3.connect(home / "ballast.db")
    multiply(database, payments)
    database.close()
    return home, partial(_pages, home, customer)


def multiply(database: sqlite3.Connection, payments: int) -> None:
    """Copy the newest payment, which was declined, once per minute until now.

    One in ten is a Retry, and one in a thousand was abandoned.
    """
    minute = f"strftime('%Y-%m-%d %H:%M:%S', 'now', (n - {payments}) || ' minutes') || '.000000'"
    amount = f"{30 * MICROS} + n % 997 * 10000"
    kind = "CASE n % 10 WHEN 0 THEN 'retry' ELSE 'automatic' END"
    state = "CASE n % 1000 WHEN 0 THEN 'abandoned' ELSE {} END"
    changed = {
        "payment": {
            "id": "first + n", "kind": kind, "state": state.format("'failed'"), "amount": amount,
            "request_key": "NULL", "created_at": minute, "settled_at": minute,
        },
        "attempt": {
            "id": "first + n", "payment_id": "(SELECT max(id) FROM payment) - :payments + n",
            "kind": kind, "state": state.format("'declined'"), "amount": amount,
            "key": "'copy-' || n", "started_at": minute, "answered_at": minute,
            "declined_at": minute,
        },
    }  # fmt: skip
    for table, values in changed.items():
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(names)
        copied = ", ".join(values.get(name, f"one.{name}") for name in names)
        database.execute(
            "WITH RECURSIVE numbers (n) AS "
            "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT :payments) "
            f"INSERT INTO {table} ({columns}) SELECT {copied} FROM numbers "
            f"CROSS JOIN (SELECT *, (SELECT max(id) FROM {table}) AS first FROM {table} "
            "ORDER BY id DESC LIMIT 1) AS one",
            {"payments": payments},
        )
    database.commit()


def _pages(home: Path, customer: Customer, server: Server) -> growth.Requests:
    """Each connection requests one kind of page; the last one a page in the middle of the list."""
    browser = customers.sign_in(server.url, customer.email)
    database = sqlite3.connect(home / "ballast.db")
    last, method = database.execute(
        "SELECT max(id), max(method_id) FROM attempt WHERE account_id = ?", (customer.account_id,)
    ).fetchone()
    database.close()
    queries = (
        "", "?state=declined", "?state=abandoned", "?kind=retry", f"?method={method}",
        "?sort=largest", "?sort=oldest", f"?before={last // 2}",
    )  # fmt: skip
    return [
        [http.get(server, f"{PAGE}{query}", browser)]
        for _, query in zip(range(CONNECTIONS), queries, strict=True)
    ]
