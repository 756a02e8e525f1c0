"""How often something may be tried; counted for all processes together, on either database."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from webapp.actions.users.rate_limit import clear, hit
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count, Limit, Try
from webapp.extensions import db

THREE = Limit("three", 3, timedelta(hours=1))
WHAT = "tried too often"


@pytest.fixture
def knock(world):
    def attempt(subject="ana", limit=THREE):
        hit(world.session, WHAT, [Count(limit, subject)], world.clock.now())

    return attempt


def refused(knock, **more):
    with pytest.raises(TooOften) as caught:
        knock(**more)
    return caught.value


def test_as_often_as_it_says_and_no_more(knock):
    for _ in range(3):
        knock()
    assert refused(knock).code == "too_many_requests"
    knock(subject="bo")


def test_the_span_goes_along(world, knock):
    """Not the present hour is counted, but the last sixty minutes; each try gives way by itself."""
    knock()
    world.clock.advance(minutes=50)
    knock()
    knock()
    assert refused(knock).seconds == 600
    world.clock.advance(seconds=599)
    assert refused(knock).seconds == 1
    world.clock.advance(seconds=1)
    knock()
    assert refused(knock).seconds == 50 * 60 - 600 + 600


def test_it_says_when_again(world, knock):
    for _ in range(3):
        knock()
    world.clock.advance(minutes=30, seconds=1)
    refusal = refused(knock)
    assert refusal.sentence == "You have tried too often. Try again in 30 minutes."
    assert refusal.seconds == 30 * 60 - 1
    world.clock.advance(minutes=29)
    assert refused(knock).sentence.endswith("Try again in a minute.")


def test_who_is_refused_is_not_counted(world, knock):
    """Whoever keeps trying is not kept out for longer."""
    for _ in range(3):
        knock()
    for _ in range(5):
        refused(knock)
    world.clock.advance(hours=1)
    for _ in range(3):
        knock()


def test_the_right_person_is_forgiven(world, knock):
    for _ in range(3):
        knock()
    clear(world.session, [Count(THREE, "ana")])
    knock()


def test_the_longest_wait_of_several_limits(world, knock):
    short = Limit("short", 1, timedelta(minutes=1))
    knock()
    knock()
    counts = [Count(THREE, "ana"), Count(short, "x")]
    hit(world.session, WHAT, counts, world.clock.now())
    with pytest.raises(TooOften) as caught:
        hit(world.session, WHAT, counts, world.clock.now())
    assert caught.value.seconds == 3600


def test_rows_name_nobody_and_do_not_stay(world, knock):
    knock(subject="ana@example.com")
    assert "ana" not in world.session.scalar(select(Try.key))
    world.clock.advance(days=1, seconds=1)
    knock(subject="bo")
    assert len(world.session.scalars(select(Try)).all()) == 1


def test_a_clock_that_is_set_back_keeps_nobody_out_for_days(world, knock):
    for _ in range(3):
        knock()
    world.clock.advance(days=-2)
    knock()


def test_many_at_once_get_no_more_than_one_by_one(app, world):
    """Counted before it is done, in turn."""
    let, start, now = [], Barrier(8), world.clock.now()
    world.session.rollback()

    def visitor():
        with app.app_context():
            session = db.session()
            start.wait()
            try:
                hit(session, WHAT, [Count(THREE, "ana")], now)
                let.append(1)
            except TooOften:
                pass
            finally:
                db.session.remove()

    threads = [Thread(target=visitor) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let) == 3


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_ipv6_line_is_one_visitor(address, line):
    assert rate_limits.line_of(address) == line
