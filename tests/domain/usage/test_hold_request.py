"""How much of a hold is granted: property tests (V5, V6)."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.usage.hold_request import HoldRequest, Rate

micros = st.integers(1, 10**12)
rates = st.builds(Rate, st.integers(1, 10**9), st.integers(1, 3_600))
lasting = st.integers(1, 86_400).map(lambda seconds: timedelta(seconds=seconds))
requests = st.builds(
    HoldRequest, lasting, st.none() | micros, st.none() | rates, st.none() | micros
).filter(lambda it: it.amount is not None or it.rate is not None)


@given(requests, st.integers(-(10**12), 10**13))
def test_never_more_is_granted_than_there_is_or_than_is_asked_v5(request, available):
    """V5"""
    granted = request.granted(available)
    assert 0 <= granted <= max(available, 0)
    assert granted <= request.asked
    assert granted == 0 or granted >= request.least


@given(requests, st.integers(0, 10**12))
def test_all_is_granted_where_the_balance_covers_it_v5(request, more):
    """V5"""
    if request.asked and request.least <= request.asked:
        assert request.granted(request.asked + more) == request.asked


@given(requests, st.integers(0, 10**12), st.integers(0, 10**12))
def test_more_balance_never_grants_less_v5(request, available, more):
    """V5"""
    assert request.granted(available + more) >= request.granted(available)


@given(rates, st.integers(0, 10**12))
def test_granted_time_costs_no_more_than_is_held_v6(rate, amount):
    """V6: and one more increment would."""
    seconds = rate.seconds(amount)
    assert seconds % rate.increment == 0
    assert rate.cost(seconds) <= amount < rate.cost(seconds + rate.increment) or (
        rate.cost(seconds) == amount
    )


@given(rates, lasting, micros)
def test_no_time_is_granted_beyond_the_expiry_v6(rate, lasts, available):
    """V6: the time paid for at the rate ends before the hold does."""
    request = HoldRequest(lasts, rate=rate)
    granted = request.granted(available)
    longest = int(lasts.total_seconds())
    assert granted <= rate.cost(longest)
