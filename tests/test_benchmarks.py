"""Checks that `make bench` can run; nothing is timed here."""

import sqlite3
import subprocess
import sys
from contextlib import closing

from sqlalchemy import func, select

from benchmarks import copies, customers, homes
from benchmarks.figures import payments_page
from benchmarks.rows import Row, at_least, at_most
from tests.factories import context
from webapp.actions.payments.pay import pay_now
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import ApiKey, hash_key
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payment_methods.payment_method import listed
from webapp.domain.payments.payment import PaymentKind
from webapp.domain.shared.context import COMMAND_LINE
from webapp.extensions import db
from webapp.reads.payments.payment_filters import Filters, Shown
from webapp.reads.payments.payment_list import read_payments
from webapp.settings import ROOT


def test_the_benchmark_command_lists_its_figures():
    command = [sys.executable, "-m", "benchmarks", "--list"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"page", "toggle", "usage-import", "first-load"} <= set(run.stdout.split())


def test_copied_accounts_are_independent(tmp_path):
    home = homes.new_home(tmp_path)
    with homes.application(home) as services:
        customers.sign_up(services)
        entries = db.session.scalar(select(func.count()).select_from(LedgerEntry))
    copies.multiply(home, 5)
    homes.prove(home)
    with homes.application(home) as services:
        hashes = [hash_key(copies.api_key(copy)) for copy in range(5)]
        keys = db.session.execute(select(ApiKey.key_hash, ApiKey.account_id))
        assert dict(keys.all()) == dict(zip(hashes, [1, 2, 3, 4, 5], strict=True))
        customers.debit(services, 3, 60_000_000)
        balances = list(db.session.scalars(select(Account.balance).order_by(Account.id)))
        assert balances == [95_500_000, 95_500_000, 35_500_000, 95_500_000, 95_500_000]
        query = select(func.count()).where(LedgerEntry.account_id == 5)
        assert db.session.scalar(query) == entries


def test_an_aim_compares_the_ratio_of_the_medians():
    row = Row(
        "page", "requests/s", ours=(10, 90, 13), bound=(100, 100, 900), aim=at_least(1 / 8, "1/8")
    )
    assert row.ratio == 0.13
    assert row.met
    assert Row("page", "ms", ours=(13,), bound=(10,), aim=at_most(1.2, "1.2 ×")).met is False


def test_an_aim_without_a_bound_compares_our_median():
    assert Row("memory", "MB", ours=(149,), aim=at_most(150, "150 MB")).met
    assert Row("memory", "MB", ours=(149,), aim=None).met is None


def test_a_multiplied_payment_fills_the_payments_page(tmp_path):
    home = homes.new_home(tmp_path)
    with homes.application(home) as services:
        customer = customers.sign_up(services)
        method = listed(db.session(), customer.account_id)[0]
        homes.sandbox(services).queue_answer("decline", decline_code="insufficient_funds")
        pay_now(
            context(
                db.session(),
                actor=COMMAND_LINE,
                processors=services.processors,
                clock=services.clock,
                policy=services.policy,
            ),
            customer.account_id,
            method.id,
            30_000_000,
            "k" * 16,
        )
    with closing(sqlite3.connect(home / "ballast.db")) as database:
        payments_page.multiply(database, 1_000)
    homes.prove(home)
    with homes.application(home) as services:
        now = services.clock.now()
        for filters, count in (
            (Filters(kind=PaymentKind.RETRY), 50),
            (Filters(state=Shown.ABANDONED), 1),
        ):
            page = read_payments(context(db.session(), now=now), customer.account_id, filters)
            assert len(page.rows) == count
