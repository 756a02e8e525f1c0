"""Low Balance Settings by API: read, and replaced as a whole with If-Match."""

import pytest

from tests.factories import VISA

PATH = "/low-balance-settings"
WISHED = {
    "refill_on": True,
    "refill_mode": "add",
    "threshold": "50.00",
    "refill_amount": "100.00",
    "target": None,
    "largest_charge": None,
    "day_limit": "300.00",
    "no_day_limit": False,
    "month_limit": None,
    "notification_on": True,
    "notification_threshold": "75.00",
}


def replace(program, body, seen=None):
    seen = seen or program.get(PATH).headers["ETag"]
    return program("PUT", PATH, body, If_Match=seen)


def test_t1_settings_that_were_read_can_be_sent_back(program, world):
    world.card(VISA)
    assert program.get(PATH).json["refill_on"] is False

    answer = replace(program, WISHED)

    assert (answer.status_code, answer.json) == (200, WISHED)
    read = program.get(PATH)
    assert (read.json, read.headers["ETag"]) == (WISHED, answer.headers["ETag"])


def test_t1_settings_changed_meanwhile_are_refused(program, world):
    world.card(VISA)
    seen = program.get(PATH).headers["ETag"]
    world.refill()

    answer = replace(program, WISHED, seen)

    assert (answer.status_code, answer.json["code"]) == (412, "stale")
    assert program.get(PATH).json["day_limit"] == "500.00"
    assert (
        replace(program, WISHED, f'"other", {program.get(PATH).headers["ETag"]}').status_code == 200
    )


def test_without_if_match_nothing_is_saved(program, world):
    world.card(VISA)
    answer = program("PUT", PATH, WISHED)
    assert (answer.status_code, answer.json["code"]) == (428, "precondition_required")
    assert program.get(PATH).json["refill_on"] is False


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"threshold": 50}, "threshold"),
        ({"threshold": "50.001"}, "threshold"),
        ({"threshold": None}, "threshold"),
        ({"refill_amount": "5.00"}, "refill_amount"),
        ({"refill_mode": "sometimes"}, "refill_mode"),
        ({"refill_mode": "target", "target": "20.00"}, "target"),
        ({"refill_mode": "target", "target": "150.00"}, "largest_charge"),
        ({"no_day_limit": True}, "day_limit"),
        ({"notification_on": "yes"}, "notification_on"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_t1_bad_fields_are_reported_and_nothing_is_saved(program, world, wrong, field):
    world.card(VISA)
    answer = replace(program, WISHED | wrong)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert program.get(PATH).json["refill_on"] is False


def test_t10_an_empty_daily_limit_gets_the_default(program, world):
    """T10: also for clients that do not know `no_day_limit`."""
    world.card(VISA)
    known = {name: value for name, value in WISHED.items() if name != "no_day_limit"}
    for body in (known | {"day_limit": None}, {k: v for k, v in known.items() if k != "day_limit"}):
        answer = replace(program, body)
        assert (answer.json["day_limit"], answer.json["no_day_limit"]) == ("500.00", False)
        replace(program, WISHED | {"refill_on": False, "day_limit": None})


def test_t10_no_daily_limit_must_be_explicit(program, world):
    world.card(VISA)
    wished = WISHED | {"day_limit": None, "no_day_limit": True}
    assert replace(program, wished).json == wished


def test_t9_a_target_needs_a_largest_charge(program, world):
    world.card(VISA)
    target = {"refill_mode": "target", "target": "150.00", "largest_charge": "300.00"}
    answer = replace(program, WISHED | target | {"day_limit": None})
    assert answer.json["day_limit"] == "1500.00"


def test_t2_a_refill_needs_a_method_with_auto_charge(program):
    answer = replace(program, WISHED)
    assert list(answer.json["errors"]) == ["refill_on"]


def test_t4_settings_that_make_a_refill_due_start_it(program, world):
    world.card(VISA)
    replace(program, WISHED | {"threshold": "150.00", "day_limit": None})
    world.work()
    assert program.get("/balance").json["balance"] == "200.00"
