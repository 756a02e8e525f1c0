"""The clock is set back, by a time server or a restored machine, while work is in progress."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, START, VISA, micros
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy
from webapp.reads.ledger.ledger_check import check_ledger

pytestmark = pytest.mark.story


@pytest.fixture
def covered(world):
    """Two methods with auto-charge, added two hours ago."""
    world.cards(VISA, MASTERCARD)
    world.refill(no_day_limit=True)
    world.clock.advance(hours=2)
    return world


@pytest.fixture(autouse=True)
def books_agree(world):
    """L2, L13: the ledger is checked after every test."""
    yield
    world.session.rollback()
    assert check_ledger(world.session, world.books.paid_charges).differences == ()


def set_back(world, **span):
    world.clock.advance(**{unit: -length for unit, length in span.items()})


def decline(world, last4="4242"):
    world.next_answer("decline", decline_code="insufficient_funds", last4=last4)


def test_a_suspension_ends_at_its_stored_time(covered):
    """F1: never sooner than 48 hours."""
    decline(covered)
    covered.pay(covered.method("4242"), "30.00")
    promised = covered.clock.now() + timedelta(hours=48)
    set_back(covered, hours=1)
    covered.run()
    visa = covered.method("4242")
    assert visa.suspended_until == promised
    assert visa.standing(promised - timedelta(seconds=1)) is MethodStatus.SUSPENDED
    assert visa.standing(promised) is MethodStatus.READY


def test_a_retry_after_the_failure_restores_at_once(covered):
    """F4, F8: it started after the failure, although its time is earlier."""
    decline(covered)
    covered.pay(covered.method("4242"), "30.00")
    set_back(covered, hours=1)
    covered.retry(covered.attempts[0])
    assert covered.method("4242").standing(covered.clock.now()) is MethodStatus.READY
    assert "restored" in covered.timeline


def test_a_method_can_be_restored_without_paying(covered):
    """F4: nothing has failed since."""
    decline(covered)
    covered.pay(covered.method("4242"), "30.00")
    set_back(covered, hours=1)
    restore_method(covered.ctx, covered.account_id, covered.method("4242").id)
    assert covered.method("4242").standing(covered.clock.now()) is MethodStatus.READY


def test_a_decline_after_a_success_suspends(covered):
    """F1: the success came before it, although its time is later."""
    covered.pay(covered.method("4242"), "30.00")
    set_back(covered, hours=1)
    decline(covered)
    covered.pay(covered.method("4242"), "30.00")
    now = covered.clock.now()
    assert covered.method("4242").suspended_until == now + timedelta(hours=48)


@pytest.mark.parametrize("back", [{"minutes": 2}, {"hours": 1}, {"days": 3}])
def test_an_unknown_outcome_is_queried_on_time(covered, back):
    """L10: the refill does not wait for as long as the clock went back."""
    covered.next_answer("timeout_after_charge")
    covered.use("60.00")
    covered.work()
    set_back(covered, **back)
    covered.pass_time(seconds=30)
    assert covered.balance == "140.00"
    assert covered.charges == [("4242", "100.00")]


def test_an_hourly_check_is_at_most_an_hour_away(covered):
    """L10: it was scheduled by a clock that was ahead."""
    for _ in range(7):
        covered.next_answer("timeout_before_charge")
    covered.use("60.00")
    covered.work()
    for _ in range(4):
        covered.pass_time(minutes=29)
    set_back(covered, days=2)
    covered.books.clear_answers()
    covered.pass_time(seconds=5)
    covered.pass_time(hours=1)
    assert covered.balance == "140.00"


def test_the_processor_is_not_queried_more_often_than_scheduled(covered):
    """L10: a clock change causes no queries every five seconds."""
    covered.next_answer("server_error")
    covered.use("60.00")
    covered.work()
    set_back(covered, hours=1)
    for _ in range(60):
        covered.clock.advance(seconds=5)
        covered.run("reconcile")
    assert covered.attempts[0].checks <= 4, "in five minutes"


def test_not_known_is_believed_no_sooner(covered):
    """L10: after half an hour of elapsed time; then the request is repeated under the same key."""
    covered.next_answer("timeout_before_charge")
    covered.use("60.00")
    covered.work()
    key = covered.attempts[0].key
    set_back(covered, hours=1)
    for minutes in (1, 5, 15, 8):
        covered.pass_time(minutes=minutes)
        assert covered.tries == [("4242", "100.00", "unknown")]
    covered.pass_time(hours=1)
    assert covered.tries == [("4242", "100.00", "paid")]
    assert covered.attempts[0].key == key
    assert covered.charges == [("4242", "100.00")]


def test_a_challenge_stays_open_for_15_minutes(covered):
    """F9: neither cut short nor left open for ever."""
    card = covered.card(CHALLENGED_ALWAYS)
    first, second = covered.pay(card, "30.00"), None
    set_back(covered, hours=1)
    covered.pass_time(minutes=14)
    assert first.attempts[-1].state == "challenged"
    covered.bank(covered.address_of(first))
    assert covered.conclude(first).state == "paid"
    second = covered.pay(card, "40.00")
    set_back(covered, hours=1)
    covered.run()
    covered.pass_time(minutes=15)
    covered.session.refresh(second)
    assert second.state == "abandoned"


def test_an_email_is_sent_at_once(covered):
    """L6: it does not wait until the clock reaches its creation time again."""
    covered.pay(covered.method("4242"), "30.00")
    set_back(covered, hours=1)
    covered.run("send emails")
    assert {str(notice.state) for notice in covered.notices} == {"kept"}


def test_a_low_balance_email_is_sent_within_two_hours(world):
    """N5: at most one an hour, and not none for as long as the clock went back."""
    visa = world.card(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("30.00")
    world.pay(visa, "30.00")
    set_back(world, minutes=30)
    world.use("30.00")
    assert len(world.mails_of("low_balance")) == 1
    set_back(world, days=3)
    world.run("sweep notifications")
    assert len(world.mails_of("low_balance")) == 2


def test_the_burst_limit_keeps_counting(covered):
    """T10: refills in the future neither trigger it nor hide later ones."""
    for _ in range(3):
        covered.use("100.00")
        covered.work()
    set_back(covered, hours=1)
    for _ in range(3):
        covered.use("100.00")
        covered.work()
    assert len(covered.charges) == 6
    covered.use("100.00")
    covered.work()
    assert covered.timeline[-1] == "paused"
    assert len(covered.charges) == 6


def test_a_resume_in_the_future_hides_no_burst(covered):
    """T10: Resume starts an empty window at once."""
    settings = LowBalanceSettings.of(covered.session, covered.account_id)
    settings.pause(PausedBy.BURST, covered.clock.now())
    covered.session.commit()
    resume_automatic(covered.ctx, covered.account_id)
    set_back(covered, hours=1)
    for _ in range(6):
        covered.use("100.00")
        covered.work()
    assert len(covered.charges) == 3
    assert covered.timeline[-1] == "paused"


def test_the_daily_limit_holds_when_midnight_passes_twice(world):
    """T10: charges dated on the next day count as well."""
    world.cards(VISA)
    world.refill(day_limit="100.00")
    world.clock.at = datetime.combine(START.date(), datetime.min.time(), START.tzinfo)
    world.clock.advance(days=1, minutes=10)
    world.use("60.00")
    world.work()
    set_back(world, hours=1)
    world.use("100.00")
    world.work()
    world.pass_time(minutes=55)
    world.work()
    taken = sum(micros(amount) for _, amount in world.charges)
    assert taken == micros("100.00")
    assert "cap_reached" in world.timeline


def test_an_old_chain_is_not_continued(covered):
    """L4: a payment begun in the future by the clock is not continued."""
    covered.next_answer("timeout_before_charge")
    covered.pay_by_chain("100.00")
    set_back(covered, hours=1)
    decline(covered)
    for minutes in (1, 31, 31):
        covered.pass_time(minutes=minutes)
    assert [state for *_, state in covered.tries] == ["declined"]
    assert "chain_ended" in covered.timeline


def test_the_ledger_keeps_the_order_of_writing(covered):
    """L2: entries are ordered by their place in the chain, not by their time."""
    covered.use("10.00")
    set_back(covered, hours=1)
    covered.use("20.00")
    rows = select(func.count()).select_from(LedgerEntry)
    assert covered.session.scalar(rows) == 3
    assert covered.balance == "70.00"
