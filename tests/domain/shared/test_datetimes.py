"""P4: dates for people are in the account's time zone, instants in UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.shared import datetimes

DUBLIN, NEW_YORK, KIRITIMATI = "Europe/Dublin", "America/New_York", "Pacific/Kiritimati"
ZONES = [
    "UTC", DUBLIN, NEW_YORK, KIRITIMATI, "Pacific/Pago_Pago", "Asia/Kathmandu",
    "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Asia/Beirut",
]  # fmt: skip

INSTANTS = st.integers(0, 20 * 366 * 24 * 60).map(
    lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "start", "end"),
    [
        ("UTC", "2026-11-22T10:00", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("UTC", "2026-11-22T00:00", "2026-11-22T00:00", "2026-11-23T00:00"),
        # Days of 23 and of 25 hours.
        (DUBLIN, "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-29T23:00"),
        (DUBLIN, "2026-10-25T12:00", "2026-10-24T23:00", "2026-10-26T00:00"),
        (NEW_YORK, "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00"),
        (NEW_YORK, "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-02T05:00"),
        # Both sides of the date line.
        (KIRITIMATI, "2026-11-22T10:00", "2026-11-22T10:00", "2026-11-23T10:00"),
        (KIRITIMATI, "2026-11-22T09:59", "2026-11-21T10:00", "2026-11-22T10:00"),
        ("Pacific/Pago_Pago", "2026-11-22T10:59", "2026-11-21T11:00", "2026-11-22T11:00"),
        (DUBLIN, "2026-12-31T23:59", "2026-12-31T00:00", "2027-01-01T00:00"),
    ],
)
def test_a_day_starts_and_ends_in_its_zone_p4(zone, now, start, end):
    """P4, T10: with daylight-saving changes and across the end of the year."""
    assert datetimes.start_of_day(at(now), zone) == at(start)
    assert datetimes.start_of_next_day(at(now), zone) == at(end)


@pytest.mark.parametrize(
    ("zone", "now", "start", "end"),
    [
        ("UTC", "2026-11-22T10:00", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("UTC", "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        # The month begins in winter time and ends in summer time.
        (DUBLIN, "2026-03-31T12:00", "2026-03-01T00:00", "2026-03-31T23:00"),
        (DUBLIN, "2026-10-31T12:00", "2026-09-30T23:00", "2026-11-01T00:00"),
        (NEW_YORK, "2027-01-01T04:59", "2026-12-01T05:00", "2027-01-01T05:00"),
        (KIRITIMATI, "2026-12-31T10:00", "2026-12-31T10:00", "2027-01-31T10:00"),
    ],
)
def test_a_month_starts_and_ends_in_its_zone_p4(zone, now, start, end):
    """P4, T10: leap years, the end of the year, and both sides of the date line."""
    assert datetimes.start_of_month(at(now), zone) == at(start)
    assert datetimes.start_of_next_month(at(now), zone) == at(end)


@given(INSTANTS, st.sampled_from(ZONES))
def test_now_is_within_its_day_and_month_p4(now, zone):
    """P4: for any changes of the zone's clocks."""
    assert datetimes.start_of_day(now, zone) <= now < datetimes.start_of_next_day(now, zone)
    assert datetimes.start_of_month(now, zone) <= now < datetimes.start_of_next_month(now, zone)
    assert datetimes.start_of_next_day(now, zone) - datetimes.start_of_day(now, zone) <= timedelta(
        hours=26
    )
    next_month = datetimes.local(datetimes.start_of_next_month(now, zone), zone)
    assert next_month.day == 1
    assert next_month.month == datetimes.local(now, zone).month % 12 + 1


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "Tue 24 Nov, 23:30"),
        (DUBLIN, "Tue 24 Nov, 23:30"),
        ("Asia/Kathmandu", "Wed 25 Nov, 05:15"),
        (NEW_YORK, "Tue 24 Nov, 18:30"),
        (KIRITIMATI, "Wed 25 Nov, 13:30"),
    ],
)
def test_a_future_time_names_day_and_time_p4(zone, text):
    assert datetimes.when(at("2026-11-24T23:30"), zone, at("2026-11-22T10:00")) == text


def test_another_year_is_named_p4():
    """P4: whether it is another year depends on the zone."""
    eve = at("2026-12-31T23:30")
    assert datetimes.when(eve, "UTC", at("2027-01-01T10:00")) == "Thu 31 Dec 2026, 23:30"
    assert datetimes.when(eve, "Asia/Kathmandu", at("2027-01-01T10:00")) == "Fri 1 Jan, 05:15"
    assert datetimes.day(at("2028-02-29T00:00"), "UTC", eve) == "29 Feb 2028"


def test_today_depends_on_the_accounts_zone_p4():
    now = at("2026-11-22T10:00")
    assert datetimes.since(at("2026-11-22T00:30"), "UTC", now) == "Today, 00:30"
    assert datetimes.since(at("2026-11-22T00:30"), NEW_YORK, now) == "Sat 21 Nov, 19:30"
    assert datetimes.within(datetimes.since(now, "UTC", now)) == "today, 10:00"


def test_a_repeated_hour_has_two_instants_p4():
    """P4: at the end of summer time the clock shows 01:30 twice."""
    first, second = at("2026-10-25T00:30"), at("2026-10-25T01:30")
    assert datetimes.clock_time(first, DUBLIN) == datetimes.clock_time(second, DUBLIN) == "01:30"
    assert datetimes.start_of_day(first, DUBLIN) == datetimes.start_of_day(second, DUBLIN)
