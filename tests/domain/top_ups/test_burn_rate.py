"""The usage of seven days: runway, suggested settings and warnings."""

from hypothesis import given
from hypothesis import strategies as st

from webapp.currencies import Bounds
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.burn_rate import BurnRate, Runway, between, lasting, suggestion, warnings
from webapp.domain.top_ups.settings import Choice, RefillMode

amounts = st.integers(0, 10_000 * MICROS)
weeks = st.tuples(*[amounts] * 7)


def simulated(days, left, first):
    """Count the days until the balance is used up, repeating the seven days from `first`."""
    passed = 0.0
    while True:
        used = days[first % 7]
        if used >= left:
            return passed + (left / used if used else 0)
        left -= used
        passed += 1
        first += 1


@given(days=st.tuples(*[st.integers(1, 100 * MICROS)] * 7), left=st.integers(1, 1_000 * MICROS))
def test_the_runway_matches_a_simulation(days, left):
    found = BurnRate(days).runway(left)
    simulations = sorted(simulated(days, left, first) for first in range(7))
    if found is None:
        assert simulations[3] > 60
        return
    for mine, theirs in zip((found.shortest, found.middle, found.longest), (0, 3, 6), strict=True):
        assert abs(mine - simulations[theirs]) < 1e-6 * (1 + simulations[theirs])


@given(weeks, amounts)
def test_the_runway_is_unknown_without_usage(days, left):
    found = BurnRate(days).runway(left)
    if not any(days):
        assert found is None
    elif found is not None:
        assert 0 <= found.shortest <= found.middle <= found.longest


def test_runways_are_formatted():
    assert lasting(0.02) == "less than an hour"
    assert lasting(0.05) == "about 1 hour"
    assert lasting(1.0) == "about 24 hours"
    assert lasting(3.2) == "about 3 days"
    assert between(Runway(2.1, 3.0, 4.9)) == "2 to 5 days"
    assert between(Runway(0.25, 0.3, 0.5)) == "6 to 12 hours"
    assert between(Runway(3.0, 3.1, 3.2)) == ""


@given(weeks)
def test_suggested_settings_can_be_applied_t1(days):
    """T1, T9: they are within the limits in force, rounded, and sufficient."""
    bounds = Bounds.default("USD")
    suggested = suggestion(BurnRate(days), bounds)
    assert suggested.faults(bounds, str) == {}
    assert suggested.threshold >= max(50 * MICROS, 2 * max(days))
    assert suggested.threshold % (10 * MICROS) == 0
    week = sum(days) // 7 * 7
    assert suggested.refill_amount >= min(week, bounds.payment_max)


def warnings_for(choice, burn_rate=None):
    return list(warnings(choice, burn_rate, lambda micros: f"${micros / MICROS:.2f}"))


def settings(**fields):
    return Choice(refill_on=True, threshold=50 * MICROS, refill_amount=100 * MICROS, **fields)


def test_reasonable_settings_have_no_warnings():
    assert warnings_for(settings(), BurnRate((9 * MICROS,) * 7)) == []
    assert warnings_for(Choice()) == []


def test_a_refill_smaller_than_a_days_use_has_a_warning():
    (line,) = warnings_for(settings(), BurnRate((120 * MICROS,) * 7))
    assert line.startswith("A refill of $100.00 is less than a day’s use, about $120.00")
    up_to = settings(refill_mode=RefillMode.TARGET, target=60 * MICROS)
    (line,) = warnings_for(up_to, BurnRate((20 * MICROS,) * 7))
    assert "of $10.00 is less than a day’s use" in line


def test_a_limit_below_the_refill_has_a_warning():
    lines = warnings_for(settings(day_limit=40 * MICROS, month_limit=90 * MICROS))
    assert [line[:28] for line in lines] == [
        "The limit of $40.00 a day is", "The limit of $90.00 a month ",
    ]  # fmt: skip
    assert warnings_for(settings(day_limit=100 * MICROS)) == []


def test_a_notification_at_or_below_the_threshold_has_a_warning_n4():
    """N4: it is allowed, with advice."""
    for level, count in ((49, 1), (50, 1), (51, 0)):
        choice = settings(notification_on=True, notification_threshold=level * MICROS)
        assert len(warnings_for(choice)) == count
