"""A meter sends milli-units as units. No charge follows that a person has not agreed to."""

import pytest

from tests.factories import VISA


@pytest.fixture
def unlimited(world):
    """An account that refills without a daily limit, as in the fault that this file replays."""
    world.cards(VISA)
    world.refill(threshold="50.00", amount="100.00", no_day_limit=True)
    return world


def work_long(world):
    for _ in range(8):
        world.work()
        world.run("sweep")


def test_l14_one_record_of_the_wrong_unit_charges_nothing_and_is_explained(program, unlimited):
    """One `POST /usage` of 215000 instead of 215 used to cause four charges of 10,000.00."""
    answer = program("POST", "/usage", {"amount": "215000", "reference": "call-1"})
    assert (answer.status_code, answer.json["code"]) == (422, "too_large")
    work_long(unlimited)
    assert unlimited.tries == []
    assert program.get("/balance").json["balance"] == "100.00"
    [newest, *_] = program.get("/activity").json["decisions"]
    assert newest["code"] == "usage_too_large"
    assert "$215,000.00 (call-1)" in newest["sentence"]


def test_t9_t10_a_batch_of_wrong_units_causes_three_refills_and_then_asks_a_person(
    program, unlimited
):
    """Each record is within USAGE_MAX. What is charged is three times what a person has typed."""
    records = [{"amount": "999", "reference": f"call-{n}"} for n in range(200)]
    assert program("POST", "/usage", {"records": records}).status_code == 201
    work_long(unlimited)
    assert unlimited.tries == [("4242", "100.00", "paid")] * 3
    activity = program.get("/activity").json
    assert "fourth refill within 10 minutes" in activity["decisions"][0]["sentence"]
    assert "paused" in activity["next"]
    unlimited.pass_time(days=40)
    work_long(unlimited)
    assert len(unlimited.tries) == 3


def test_t9_a_refill_to_a_target_is_never_above_the_largest_charge(program, world):
    """The gap is 200,000.00, and the installation would allow charges of 10,000.00."""
    world.cards(VISA)
    world.apply(
        refill_on=True, refill_mode="target", threshold="50.00", target="150.00",
        largest_charge="300.00",
    )  # fmt: skip
    records = [{"amount": "999", "reference": f"call-{n}"} for n in range(200)]
    program("POST", "/usage", {"records": records})
    work_long(world)
    assert world.tries == [("4242", "300.00", "paid")] * 3
    assert world.timeline[-1] == "paused"
    unpaused = "ordinary usage after the pause starts nothing either"
    world.use("5.00")
    work_long(world)
    assert len(world.tries) == 3, unpaused
