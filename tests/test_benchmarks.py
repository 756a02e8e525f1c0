"""That `make bench` can run at all. Nothing here looks at a clock."""

import subprocess
import sys

from sqlalchemy import func, select

from benchmarks import copies, customers, homes
from benchmarks.rows import Row, at_least, at_most
from webapp.domain.accounts import Account
from webapp.domain.api_keys import ApiKey, hash_key
from webapp.domain.ledger import LedgerEntry
from webapp.extensions import db
from webapp.settings import ROOT


def test_the_command_names_its_figures():
    command = [sys.executable, "-m", "benchmarks", "--list"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"page", "toggle", "usage-import", "first-load"} <= set(run.stdout.split())


def test_copies_of_an_account_are_accounts_of_their_own(tmp_path):
    home = homes.new_home(tmp_path)
    with homes.application(home) as it:
        customers.sign_up(it)
        entries = db.session.scalar(select(func.count()).select_from(LedgerEntry))
    copies.multiply(home, 5)
    homes.prove(home)
    with homes.application(home) as it:
        hashes = [hash_key(copies.api_key(copy)) for copy in range(5)]
        keys = db.session.execute(select(ApiKey.key_hash, ApiKey.account_id))
        assert dict(keys.all()) == dict(zip(hashes, [1, 2, 3, 4, 5], strict=True))
        customers.debit(it, 3, 60_000_000)
        balances = list(db.session.scalars(select(Account.balance).order_by(Account.id)))
        assert balances == [95_500_000, 95_500_000, 35_500_000, 95_500_000, 95_500_000]
        query = select(func.count()).where(LedgerEntry.account_id == 5)
        assert db.session.scalar(query) == entries


def test_an_aim_judges_the_ratio_of_the_medians():
    row = Row(
        "page", "requests/s", ours=(10, 90, 13), bound=(100, 100, 900), aim=at_least(1 / 8, "1/8")
    )
    assert row.ratio == 0.13
    assert row.met
    assert Row("page", "ms", ours=(13,), bound=(10,), aim=at_most(1.2, "1.2 ×")).met is False


def test_an_aim_without_a_bound_judges_ours():
    assert Row("memory", "MB", ours=(149,), aim=at_most(150, "150 MB")).met
    assert Row("memory", "MB", ours=(149,), aim=None).met is None
