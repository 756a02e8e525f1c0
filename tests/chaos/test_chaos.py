"""A short chaos run, and proof that its comparison detects differences.

`make chaos` is the long run.
"""

import sqlite3
from contextlib import closing
from random import Random

import pytest

from tests.chaos import money, obligations, records, report, steps
from tests.chaos.databases import Database
from tests.chaos.installation import Account
from tests.chaos.journal import Debit, Hold, Journal
from tests.chaos.mail_server import Received
from tests.chaos.receiver import Delivery, Receiver
from tests.chaos.run import run
from tests.chaos.snapshot import Snapshot
from tests.chaos.stripe import StripeBooks
from tests.factories import VISA
from tests.processors.stripe_stand_in import PAYS
from webapp.clock import Clock


@pytest.mark.parametrize(("processor", "kills"), [("sandbox", 12), ("stripe", 5)])
def test_a_few_kills_leave_no_difference_l3(processor, kills):
    """L2, L3, L6, L7, L12, L13, T7, T8, T12: nothing is duplicated or lost.

    All servers are down before the first kill and, with the sandbox, once more after the ninth.
    """
    outcome = run(kills, 25, "sqlite", print, processor)
    command = f"make chaos KILLS={kills} SEED=25 PROCESSOR={processor}"
    assert not outcome.differences, "\n".join(report.table(outcome, command))


def test_every_commit_of_an_action_is_a_step():
    """Every place left out of the traffic exists."""
    places = {steps.place_of(step) for step in steps.in_source()}
    committing = {
        path.stem for path in steps.ACTIONS.rglob("*.py") if ".commit(" in path.read_text()
    }
    assert {place.partition(".")[0] for place in places} >= committing
    assert places >= steps.NOT_IN_TRAFFIC.keys()


class Story:
    """A consistent history: a payment of 30.00, 5.00 refunded, a debit, a hold, a webhook.

    The payment has a receipt, the debit of 10.00 ended the hold, and an endpoint received the
    events.
    """

    def __init__(self, world, home, receiver):
        self.receiver, self.stripe = receiver, None
        receiver.secrets["/harbour"] = world.webhook(receiver.url("/harbour")).secret
        world.pay(world.card(VISA), "30.00")
        world.hold("12.00", "call-1")
        world.use("10.00", "call-1")
        world.books.reversals.refund(world.attempts[-1].key, 5_000_000, world.clock.now())
        world.deliver(times=10)
        self.database = Database(world.app.config["SQLALCHEMY_DATABASE_URI"])
        self.change("UPDATE notice SET state = 'sent'")
        self.change("UPDATE webhook_delivery SET state = 'delivered'")
        owed = self.database.rows("SELECT event_id FROM webhook_delivery")
        receiver.received += [Delivery("/harbour", number, b"{}") for (number,) in owed]
        self.home = home
        self.accounts = [Account(world.account_id, "Harbour", "", "", 100_000_000)]
        self.journal = Journal({"call-1": Debit(world.account_id, 10_000_000, answered=True)})
        self.journal.holds["call-1"] = Hold(world.account_id, answered=True)
        rows = self.database.rows("SELECT message_id, recipient FROM notice")
        self.received = [Received(*row) for row in rows]

    def change(self, sql):
        with closing(self.database._connect()) as connection:
            connection.execute(sql)
            connection.commit()

    def differences_after(self, sql, path=None):
        """Return the differences after this change, which is then undone."""
        path = path or self.database.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as file, closing(sqlite3.connect(":memory:")) as kept:
            file.backup(kept)
            file.execute(sql)
            file.commit()
            found = self.differences()
            kept.backup(file)
        return found

    def differences(self):
        (logs := self.home / "logs").mkdir(exist_ok=True)
        found, mine = (
            Snapshot(self.database, self.home, logs, self.stripe),
            (self.journal, self.accounts),
        )
        compared = {
            "unfinished": records.unfinished(found),
            "charge": money.charges(found),
            "credited": money.credited(found),
            "debit": money.debits(found, self.journal),
            "operator posting": money.operator_postings(found, *mine),
            "balance": money.balances(found, *mine),
            "reversal": obligations.taken_back(found),
            "receipt": obligations.receipts(found),
            "event in": obligations.events_in(found),
            "event out": obligations.events_out(found, self.receiver),
            "event due": obligations.events_due(found),
            "crossing": obligations.crossings(found),
            "sequence": obligations.sequences(found),
            "hold": obligations.holds(found, self.journal),
            "email": records.mails(found, self.received),
            "email due": records.mails_due(found),
            "list": records.lists(found),
            "log": records.logs(found),
        }
        return {kind for kind, differences in compared.items() if list(differences)}


@pytest.fixture
def story(world, home):
    receiver = Receiver(Random(1))
    story = Story(world, home, receiver)
    assert story.differences() == set()
    yield story
    receiver.stop()


AT_THE_PROCESSOR = [
    ("UPDATE charge SET amount = amount + 1", {"charge", "balance"}),
    (
        "UPDATE charge SET key = 'another'",
        {"charge", "credited", "balance", "receipt", "event due"},
    ),
    (
        "UPDATE charge SET status = 'declined'",
        {"credited", "balance", "receipt", "event due"},
    ),
    ("UPDATE taken_back SET amount = amount + 1", {"reversal", "balance"}),
    ("UPDATE taken_back SET state = 'returned'", {"reversal", "balance"}),
    ("UPDATE event SET name = 'another'", {"event in"}),
    ("UPDATE event SET delivered_at = NULL", {"event in"}),
    ("UPDATE card SET revoked_at = created_at", {"list"}),
]


def test_differences_at_the_processor_are_detected_l13(story):
    for sql, found in AT_THE_PROCESSOR:
        assert (sql, story.differences_after(sql, story.home / "sandbox.db")) == (sql, found)
    assert story.differences() == set()


IN_THE_TABLES = [
    ("UPDATE notice SET state = 'owed'", {"unfinished", "email"}),
    ("UPDATE notice SET message_id = 'another'", {"email"}),
    ("UPDATE notice SET kind = 'paused'", {"email due"}),
    ("UPDATE attempt SET state = 'unknown' WHERE method_id > 0", {"unfinished"}),
    (
        "UPDATE payment SET note = 'a gift' WHERE kind = 'adjustment'",
        {"operator posting", "event due"},
    ),
    ("UPDATE payment_method SET position = 2", {"list"}),
    ("UPDATE notice SET about = 'another' WHERE kind = 'taken_back'", {"email due"}),
    ("UPDATE reversal SET debit_id = NULL", {"reversal", "operator posting"}),
    ("UPDATE receipt SET number = 2", {"receipt"}),
    ("DELETE FROM receipt", {"receipt"}),
    ("DELETE FROM processor_event", {"event in"}),
    ("UPDATE webhook_delivery SET state = 'owed'", {"unfinished", "event out"}),
    ("UPDATE webhook_endpoint SET ended = 'failing'", {"event out"}),
    ("DELETE FROM webhook_delivery", {"event due", "event out"}),
    ("UPDATE account SET is_exhausted = TRUE", {"crossing"}),
    ("DELETE FROM provider_event WHERE event_id = (SELECT max(event_id) FROM provider_event)",
     {"sequence"}),
    ("UPDATE provider_event SET sequence = event_id + 1", {"sequence"}),
    ("UPDATE hold SET state = 'released'", {"hold"}),
    ("UPDATE hold SET state = 'open'", {"unfinished", "hold"}),
    ("DELETE FROM hold", {"hold"}),
    ("UPDATE account SET open_holds = 1", {"hold"}),
]  # fmt: skip


def test_differences_in_the_tables_are_detected_l13(story):
    for sql, found in IN_THE_TABLES:
        assert (sql, story.differences_after(sql)) == (sql, found)
    assert story.differences() == set()


def test_differences_at_stripe_are_detected_l13(story):
    story.stripe = StripeBooks(Clock().now)
    assert story.differences() == set()
    stand_in = story.stripe.stand_in
    stand_in.pay_elsewhere(stand_in.save(PAYS).partition("/")[0])
    assert story.differences() == {"charge"}
    story.stripe.undelivered = stand_in.events
    assert story.differences() == {"charge", "event in"}
    story.stripe.undelivered = []
    story.change(
        "INSERT INTO processor_event (processor, event_id, about, received_at, listed)"
        " VALUES ('stripe', 'evt_1', '', '2026-11-22', 1)"
    )
    assert story.differences() == {"charge", "event in"}


@pytest.mark.parametrize("reference", ["call-1", "call-2"])
def test_a_missing_answered_debit_is_detected_l12(story, reference):
    account_id = story.accounts[0].id
    story.journal.debits[reference] = Debit(account_id, 10_000_001, answered=True)
    assert story.differences() == {"debit", "balance"}


def test_a_missing_email_is_detected_l6(story):
    story.received.clear()
    assert story.differences() == {"email"}


def test_a_missing_or_changed_webhook_is_detected(story):
    first = story.receiver.received[0]
    story.receiver.received.append(Delivery(first.path, first.event_id, b"another"))
    assert story.differences() == {"event out"}
    story.receiver.received[:] = [
        delivery for delivery in story.receiver.received if delivery != first
    ][:-1]
    assert story.differences() == {"event out"}


def test_an_error_in_a_log_is_detected(story):
    (story.home / "logs" / "web-1.log").write_text("(sqlite3.OperationalError) database is locked")
    assert story.differences() == {"log"}
