"""T4: what time alone makes due is found at the worker's next poll, without a job of the timetable.

Polls are counted and not seconds: the clock stands until the test moves it.
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
    """One round of a worker, and the end of everything it began."""
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
"""One poll finds the account whose time has come, the next one starts its refill."""


def test_an_ended_suspension(world, poll):
    """T4, F6: charged at 48:00:00, and not a second before."""
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
def test_a_limit_whose_window_has_passed(world, poll, limit, ends):
    """T4, T10: at midnight in the account's own time zone."""
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


def test_an_hour_between_two_notifications(world, poll):
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


def test_a_clock_that_is_moved_by_days(world, poll):
    """T4: two methods whose suspensions have ended meanwhile are one refill."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    for _ in range(2):
        world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    polls(poll, 2)
    world.clock.advance(days=9)
    polls(poll, FIND_AND_CHARGE + 2)
    assert world.tries[2:] == [("4242", "100.00", "paid")]


def test_several_accounts_at_once(world, poll):
    """T4: one poll looks at all whose time has come."""
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


def test_a_look_that_time_has_made_needless(world, poll):
    """T4: the limit was lifted before; the look finds nothing, and none follows."""
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.use("60.00")
    poll()
    world.use("100.00")
    world.apply(day_limit=None)
    poll()
    lines = len(world.decisions)
    world.clock.advance(days=1)
    polls(poll, 3)
    assert len(world.decisions) == lines
    assert statements(world, poll) == IDLE


IDLE = 5
"""Statements of a poll that finds nothing: open refills, open chains, due webhooks, accounts whose
time has come (T4), and owed emails."""


def statements(world, poll):
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    with world.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    poll()
    event.remove(engine, "before_cursor_execute", note)
    return len([it for it in seen if it.lstrip().upper().startswith(("SELECT", "UPDATE"))])


def test_what_an_idle_installation_costs(world, poll):
    """T4: one statement a poll tells whether anybody's time has come."""
    world.cards(VISA)
    world.refill()
    poll()
    assert statements(world, poll) == IDLE
