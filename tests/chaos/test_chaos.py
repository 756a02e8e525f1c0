"""A short chaos run, and whether its comparison has teeth. The long run is `make chaos`."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.chaos import money, steps, traces
from tests.chaos.databases import Database
from tests.chaos.found import Found
from tests.chaos.installation import Account
from tests.chaos.journal import Debit, Journal
from tests.chaos.mail_server import Received
from tests.factories import VISA
from webapp.settings import ROOT


def test_25_kills_leave_no_difference_l3():
    """L2, L3, L6, L12, L13, T7, T8: nothing is twice, nothing is lost."""
    command = [sys.executable, "-m", "tests.chaos", "--kills", "25", "--seed", "25"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


def test_every_commit_of_an_action_is_a_step():
    """And what is left out of the traffic is there to be left out."""
    places = {steps.place_of(step) for step in steps.in_source()}
    committing = {
        path.stem for path in steps.ACTIONS.glob("*.py") if ".commit(" in path.read_text()
    }
    assert {place.partition(".")[0] for place in places} >= committing
    assert places >= steps.NOT_IN_TRAFFIC.keys()


class Story:
    """One card, one payment of 30.00 with its receipt, one debit of 10.00; all of it in order."""

    def __init__(self, world, home):
        world.pay(world.card(VISA), "30.00")
        world.use("10.00", "call-1")
        self.database = Database(world.app.config["SQLALCHEMY_DATABASE_URI"])
        self.change("UPDATE notice SET state = 'sent'")
        self.home = home
        self.accounts = [Account(world.account_id, "Harbour", "", "", 100_000_000)]
        self.journal = Journal({"call-1": Debit(world.account_id, 10_000_000, answered=True)})
        rows = self.database.rows("SELECT message_id, recipient FROM notice")
        self.received = [Received(*row) for row in rows]

    def change(self, sql):
        with closing(self.database._connect()) as connection:
            connection.execute(sql)
            connection.commit()

    def change_books(self, sql):
        with closing(sqlite3.connect(self.home / "sandbox.db")) as books:
            books.execute(sql)
            books.commit()

    def differences(self):
        (logs := self.home / "logs").mkdir(exist_ok=True)
        found, mine = Found(self.database, self.home, logs), (self.journal, self.accounts)
        compared = {
            "left over": traces.left_over(found),
            "charge": money.charges(found),
            "credited": money.credited(found),
            "debit": money.debits(found, self.journal),
            "by hand": money.by_hand(found, *mine),
            "balance": money.balances(found, *mine),
            "mail": traces.mails(found, self.received),
            "mail due": traces.mails_due(found),
            "list": traces.lists(found),
            "log": traces.logs(found),
        }
        return {kind for kind, told in compared.items() if list(told)}


@pytest.fixture
def story(world, home):
    story = Story(world, home)
    assert story.differences() == set()
    return story


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE charge SET amount = amount + 1", {"charge", "balance"}),
        ("UPDATE charge SET key = 'another'", {"charge", "credited", "balance"}),
        ("UPDATE charge SET status = 'declined'", {"credited", "balance"}),
        ("UPDATE card SET revoked_at = created_at", {"list"}),
    ],
)
def test_what_the_processor_has_differently_is_seen_l13(story, sql, found):
    story.change_books(sql)
    assert story.differences() == found


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE notice SET state = 'owed'", {"left over", "mail"}),
        ("UPDATE notice SET message_id = 'another'", {"mail"}),
        ("UPDATE notice SET kind = 'paused'", {"mail due"}),
        ("UPDATE attempt SET state = 'unknown' WHERE method_id > 0", {"left over"}),
        ("UPDATE payment SET note = 'a gift' WHERE kind = 'adjustment'", {"by hand"}),
        ("UPDATE payment_method SET position = 2", {"list"}),
    ],
)
def test_what_the_tables_have_differently_is_seen_l13(story, sql, found):
    story.change(sql)
    assert story.differences() == found


@pytest.mark.parametrize("reference", ["call-1", "call-2"])
def test_a_debit_that_was_answered_and_is_missing_is_seen_l12(story, reference):
    account_id = story.accounts[0].id
    story.journal.debits[reference] = Debit(account_id, 10_000_001, answered=True)
    assert story.differences() == {"debit", "balance"}


def test_a_mail_that_never_arrived_is_seen_l6(story):
    story.received.clear()
    assert story.differences() == {"mail"}


def test_trouble_in_a_log_is_seen(story):
    (story.home / "logs" / "web-1.log").write_text("(sqlite3.OperationalError) database is locked")
    assert story.differences() == {"log"}
