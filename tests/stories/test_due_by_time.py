"""T4: work that becomes due by time is found at the worker's next poll, without a scheduled job.

The tests count polls, not seconds: the clock moves only when a test moves it.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from tests.factories import MASTERCARD, VISA
from webapp.background.worker import Worker
from webapp.domain.accounts.account import Account
from webapp.extensions import db

pytestmark = pytest.mark.story


@pytest.fixture
def poll(world):
    """Runs one round of a worker and waits for everything it started."""
    worker = Worker()

    def once():
        world.session.rollback()
        worker._poll(world.app)
        while worker._under_way:
            time.sleep(0.01)
        world.session.rollback()

    yield once
    worker.stop()


def polls(poll, count):
    for _ in range(count):
        poll()


FIND_AND_CHARGE = 2
"""One poll finds the account that is due, the next one starts its refill."""


def test_a_refill_follows_an_ended_suspension(world, poll):
    """T4, F6: at 48:00:00 and not a second before."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    polls(poll, 2)
    assert world.tries == [("4242", "100.00", "declined")]
    world.clock.advance(hours=47, minutes=59, seconds=59)
    polls(poll, 3)
    assert len(world.tries) == 1
    world.clock.advance(seconds=1)
    polls(poll, FIND_AND_CHARGE)
    assert world.tries[1:] == [("4242", "100.00", "paid")]


@pytest.mark.parametrize(
    ("limit", "ends"),
    [
        ("day_limit", datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("month_limit", datetime(2026, 11, 30, 23, tzinfo=UTC)),
    ],
)
def test_a_refill_follows_the_end_of_a_limits_window(world, poll, limit, ends):
    """T4, T10: at midnight in the account's time zone."""
    world.session.get_one(Account, world.account_id).time_zone = "Europe/Madrid"
    world.session.commit()
    world.cards(VISA)
    world.refill(**{limit: "100.00"})
    world.use("60.00")
    poll()
    world.use("100.00")
    poll()
    assert world.timeline[-1] == "cap_reached"
    assert world.balance == "40.00"
    world.clock.at = ends - timedelta(seconds=1)
    polls(poll, 3)
    assert world.balance == "40.00"
    world.clock.at = ends
    polls(poll, FIND_AND_CHARGE)
    assert world.balance == "140.00"


def test_a_second_low_balance_email_follows_after_an_hour(world, poll):
    """T4, N5: the second crossing is emailed once the hour has passed."""
    world.card(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("30.00")
    poll()
    assert len(world.mails_of("low_balance")) == 1
    world.pay(world.method("4242"), "30.00")
    world.clock.advance(minutes=30)
    world.use("30.00")
    world.clock.advance(minutes=29, seconds=59)
    polls(poll, 3)
    assert len(world.mails_of("low_balance")) == 1
    world.clock.advance(seconds=1)
    poll()
    assert len(world.mails_of("low_balance")) == 2


def test_two_suspensions_that_ended_cause_one_refill(world, poll):
    """T4: the clock is moved by days."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    for _ in range(2):
        world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    polls(poll, 2)
    world.clock.advance(days=9)
    polls(poll, FIND_AND_CHARGE + 2)
    assert world.tries[2:] == [("4242", "100.00", "paid")]


def test_one_poll_finds_all_accounts_that_are_due(world, poll):
    """T4: each gets its refill."""
    others = [world.account().account_id for _ in range(2)]
    accounts = [world.account_id, *others]
    for account_id, number in zip(accounts, (VISA, MASTERCARD, "6011111111111117"), strict=True):
        world.account_id = account_id
        world.card(number, auto_charge=True)
        world.refill(day_limit="100.00")
        for amount in ("60.00", "100.00"):
            world.use(amount)
            poll()
    world.clock.advance(days=1)
    polls(poll, FIND_AND_CHARGE)
    for account_id in accounts:
        world.account_id = account_id
        assert world.balance == "140.00"


def test_a_due_check_that_is_no_longer_needed_finds_nothing(world, poll):
    """T4: the limit was lifted before; no further check follows."""
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.use("60.00")
    poll()
    world.use("100.00")
    world.apply(day_limit=None)
    poll()
    lines = len(world.lines)
    world.clock.advance(days=1)
    polls(poll, 3)
    assert len(world.lines) == lines
    assert count_statements(world, poll) == IDLE


IDLE = 5
"""Statements of a poll that finds nothing: open refills, open chains, due webhooks, due accounts
(T4), and pending emails.
"""


def count_statements(world, poll):
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    with world.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    poll()
    event.remove(engine, "before_cursor_execute", note)
    return len([it for it in seen if it.lstrip().upper().startswith(("SELECT", "UPDATE"))])


def test_an_idle_poll_costs_five_statements(world, poll):
    """T4: one of them finds all accounts that are due."""
    world.cards(VISA)
    world.refill()
    poll()
    assert count_statements(world, poll) == IDLE
