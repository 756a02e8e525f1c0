"""The pace of seven days: how long it lasts, what is suggested, and what will disappoint."""

from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.shared.money import MICROS
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.burn_rate import (
    BurnRate,
    Runway,
    between,
    lasting,
    suggestion,
    warnings,
)
from webapp.domain.top_ups.settings import Choice, RefillMode

amounts = st.integers(0, 10_000 * MICROS)
weeks = st.tuples(*[amounts] * 7)


def walked(days, left, first):
    """The same seven days over and over, an hour's thousandth at a time would be; here by days."""
    gone = 0.0
    while True:
        used = days[first % 7]
        if used >= left:
            return gone + (left / used if used else 0)
        left -= used
        gone += 1
        first += 1


@given(days=st.tuples(*[st.integers(1, 100 * MICROS)] * 7), left=st.integers(1, 1_000 * MICROS))
def test_the_runway_is_what_walking_finds(days, left):
    found = BurnRate(days).runway(left)
    walks = sorted(walked(days, left, first) for first in range(7))
    if found is None:
        assert walks[3] > 60
        return
    for mine, theirs in zip((found.shortest, found.middle, found.longest), (0, 3, 6), strict=True):
        assert abs(mine - walks[theirs]) < 1e-6 * (1 + walks[theirs])


@given(weeks, amounts)
def test_it_is_honest_about_what_it_cannot_know(days, left):
    found = BurnRate(days).runway(left)
    if not any(days):
        assert found is None
    elif found is not None:
        assert 0 <= found.shortest <= found.middle <= found.longest


def test_in_words():
    assert lasting(0.02) == "less than an hour"
    assert lasting(0.05) == "about 1 hour"
    assert lasting(1.0) == "about 24 hours"
    assert lasting(3.2) == "about 3 days"
    assert between(Runway(2.1, 3.0, 4.9)) == "2 to 5 days"
    assert between(Runway(0.25, 0.3, 0.5)) == "6 to 12 hours"
    assert between(Runway(3.0, 3.1, 3.2)) == ""


@given(weeks)
def test_what_is_suggested_can_be_applied_t1(days):
    """T1, T9: within the limits in force, round, and enough."""
    policy = Policy()
    wise = suggestion(BurnRate(days), policy)
    assert wise.faults(policy, str) == {}
    assert wise.threshold >= max(50 * MICROS, 2 * max(days))
    assert wise.threshold % (10 * MICROS) == 0
    week = sum(days) // 7 * 7
    assert wise.refill_amount >= min(week, policy.payment_max)


def told(choice, pace=None):
    return list(warnings(choice, pace, lambda micros: f"${micros / MICROS:.2f}"))


def settings(**more):
    return Choice(refill_on=True, threshold=50 * MICROS, refill_amount=100 * MICROS, **more)


def test_good_settings_disappoint_nobody():
    assert told(settings(), BurnRate((9 * MICROS,) * 7)) == []
    assert told(Choice()) == []


def test_a_refill_smaller_than_a_days_use():
    (line,) = told(settings(), BurnRate((120 * MICROS,) * 7))
    assert line.startswith("A refill of $100.00 is less than a day’s use, about $120.00")
    up_to = settings(refill_mode=RefillMode.TARGET, target=60 * MICROS)
    (line,) = told(up_to, BurnRate((20 * MICROS,) * 7))
    assert "of $10.00 is less than a day’s use" in line


def test_a_limit_below_the_refill():
    lines = told(settings(day_limit=40 * MICROS, month_limit=90 * MICROS))
    assert [line[:28] for line in lines] == [
        "The limit of $40.00 a day is", "The limit of $90.00 a month ",
    ]  # fmt: skip
    assert told(settings(day_limit=100 * MICROS)) == []


def test_a_notification_that_will_not_be_heard_n4():
    """N4: at or below the threshold it is allowed, with advice."""
    for level, count in ((49, 1), (50, 1), (51, 0)):
        choice = settings(notification_on=True, notification_threshold=level * MICROS)
        assert len(told(choice)) == count
