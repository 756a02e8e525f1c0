"""Rate limits, counted across all processes, on either database."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from tests.factories import context
from webapp.actions.users.rate_limit import clear, hit
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count, Limit, Try
from webapp.extensions import db

THREE = Limit("three", 3, timedelta(hours=1))
ACTION = "Too many attempts"


@pytest.fixture
def attempt(world):
    def make_attempt(subject="ana", limit=THREE):
        hit(world.ctx, ACTION, [Count(limit, subject)])

    return make_attempt


def refused(make_attempt, **options):
    with pytest.raises(TooOften) as caught:
        make_attempt(**options)
    return caught.value


def test_attempts_are_refused_above_the_limit(attempt):
    for _ in range(3):
        attempt()
    assert refused(attempt).code == "too_many_requests"
    attempt(subject="bo")


def test_the_window_slides(world, attempt):
    """The last sixty minutes are counted, not the current hour; attempts expire one by one."""
    attempt()
    world.clock.advance(minutes=50)
    attempt()
    attempt()
    assert refused(attempt).seconds == 600
    world.clock.advance(seconds=599)
    assert refused(attempt).seconds == 1
    world.clock.advance(seconds=1)
    attempt()
    assert refused(attempt).seconds == 50 * 60 - 600 + 600


def test_the_refusal_says_when_to_try_again(world, attempt):
    for _ in range(3):
        attempt()
    world.clock.advance(minutes=30, seconds=1)
    refusal = refused(attempt)
    assert refusal.sentence == "Too many attempts. Try again in 30 minutes."
    assert refusal.seconds == 30 * 60 - 1
    world.clock.advance(minutes=29)
    assert refused(attempt).sentence.endswith("Try again in a minute.")


def test_refused_attempts_are_not_counted(world, attempt):
    """Repeated attempts do not extend the wait."""
    for _ in range(3):
        attempt()
    for _ in range(5):
        refused(attempt)
    world.clock.advance(hours=1)
    for _ in range(3):
        attempt()


def test_clearing_a_subject_allows_further_attempts(world, attempt):
    for _ in range(3):
        attempt()
    clear(world.ctx, [Count(THREE, "ana")])
    attempt()


def test_the_longest_wait_of_several_limits_is_reported(world, attempt):
    short = Limit("short", 1, timedelta(minutes=1))
    attempt()
    attempt()
    counts = [Count(THREE, "ana"), Count(short, "x")]
    hit(world.ctx, ACTION, counts)
    with pytest.raises(TooOften) as caught:
        hit(world.ctx, ACTION, counts)
    assert caught.value.seconds == 3600


def test_rows_are_anonymous_and_temporary(world, attempt):
    attempt(subject="ana@example.com")
    assert "ana" not in world.session.scalar(select(Try.key))
    world.clock.advance(days=1, seconds=1)
    attempt(subject="bo")
    assert len(world.session.scalars(select(Try)).all()) == 1


def test_a_clock_that_is_set_back_does_not_block_for_days(world, attempt):
    for _ in range(3):
        attempt()
    world.clock.advance(days=-2)
    attempt()


def test_concurrent_attempts_cannot_exceed_the_limit(app, world):
    """Attempts are counted before they run, one at a time."""
    allowed, start, now = [], Barrier(8), world.clock.now()
    world.session.rollback()

    def visitor():
        with app.app_context():
            session = db.session()
            start.wait()
            try:
                hit(context(session, now=now), ACTION, [Count(THREE, "ana")])
                allowed.append(1)
            except TooOften:
                pass
            finally:
                db.session.remove()

    threads = [Thread(target=visitor) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 3


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_ipv6_prefix_counts_as_one_client(address, client):
    assert rate_limits.client_of(address) == client
