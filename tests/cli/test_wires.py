"""`flask wires`."""

import json

import pytest

from tests import wires


@pytest.fixture
def wire(world):
    return wires.ask(world, "900.00", "EUR")


def parsed(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_requests_are_listed_by_state(flask, world, wire):
    new, proved = wire.reference, wires.prove(world, wires.ask(world)).reference
    assert [row["reference"] for row in parsed(flask("wires list --json"))] == [new, proved]
    listed = parsed(flask("wires list --state proof_uploaded --json"))
    assert [(row["reference"], row["amount"], row["currency"]) for row in listed] == [
        (proved, "1000.00", "USD")
    ]
    line = flask("wires list --state new").output
    assert new in line
    assert "900.00 EUR  New" in line
    assert "Harbour Voice" in line


def test_an_empty_list_has_a_message(flask):
    assert flask("wires list").output == "No wire transfers.\n"
    assert parsed(flask("wires list --json")) == []
    assert flask("wires list --state lost").exit_code == 2


def test_a_request_is_found_by_id_and_by_reference(flask, wire):
    typed = wire.reference.lower().replace("-", " ")
    for name in (str(wire.id), wire.reference, typed):
        assert parsed(flask(["wires", "show", name, "--json"]))["reference"] == wire.reference
    assert wire.reference in flask(f"wires show {wire.id}").output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("999", "Wire transfer 999 was not found."),
        ("WT-CDFG-HJKM", "WT-CDFG-HJKM is not a wire transfer reference."),
        ("9" * 30, "is not a wire transfer reference"),
        ("nonsense", "nonsense is not a wire transfer reference"),
    ],
)
def test_an_unknown_request_is_refused(flask, wire, name, message):
    failed = flask(["wires", "show", name])
    assert failed.exit_code == 1
    assert message in failed.stderr
    assert "Traceback" not in failed.output


def test_a_proof_is_written_to_a_new_file(flask, world, wire, tmp_path):
    wires.prove(world, wire)
    wires.prove(world, wire, wires.PNG)
    first, last = tmp_path / "first", tmp_path / "last"
    assert flask(f"wires proof {wire.id} --to {last}").exit_code == 0
    assert flask(f"wires proof {wire.id} --number 1 --to {first}").exit_code == 0
    assert (first.read_bytes(), last.read_bytes()) == (wires.PDF, wires.PNG)

    again = flask(f"wires proof {wire.id} --to {first}")
    assert (again.exit_code, "File exists" in again.stderr) == (1, True)
    assert flask(f"wires proof {wire.id} --number 3 --to {tmp_path / 'third'}").exit_code == 1


def test_a_missing_proof_is_reported(flask, wire, tmp_path):
    failed = flask(f"wires proof {wire.id} --to {tmp_path / 'x'}")
    assert (failed.exit_code, "was not found" in failed.stderr) == (1, True)


def test_a_request_in_euros_is_completed_with_the_booked_amount(flask, world, wire):
    """L11"""
    line = f"wires complete {wire.reference} --amount 975.78 --received 900.00 --rate 1.0842 --json"
    record = parsed(flask(line))
    assert (record["state"], record["changed"]) == ("completed", True)
    assert (record["received"], record["rate"], record["credited"]) == (
        "900.00",
        "1.0842",
        "975.78",
    )
    assert parsed(flask(line))["changed"] is False
    assert world.balance == "1075.78"
    assert wires.audited(world)[-1] == "wire_completed"


def test_a_request_in_dollars_needs_only_the_amount(flask, world):
    wire = wires.ask(world, "1000.00")
    done = flask(f"wires complete {wire.id} --amount 1000.00")
    assert done.exit_code == 0
    assert "completed" in done.output
    assert "Already done" in flask(f"wires complete {wire.id} --amount 1000.00").stderr
    assert world.balance == "1100.00"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("", 2, "--amount"),
        ("--amount ten", 2, "--amount"),
        ("--amount 1.001", 2, "--amount"),
        ("--amount 975.78", 1, "received: Enter the amount received in EUR"),
        ("--amount 975.78 --received 900", 1, "rate: Enter how much USD was booked for 1 EUR"),
        ("--amount 975.78 --received 900 --rate 1,08", 2, "--rate"),
        ("--amount 957.78 --received 900 --rate 1.0842", 1, "€900.00 at 1.0842 is $975.78"),
    ],
)
def test_amounts_that_do_not_agree_credit_nothing(flask, world, wire, options, code, message):
    failed = flask(f"wires complete {wire.id} {options}")
    assert failed.exit_code == code
    assert message in failed.stderr
    assert world.balance == "100.00"


def test_a_cancelled_request_cannot_be_completed(flask, world):
    wire = wires.cancel(world, wires.ask(world))
    failed = flask(f"wires complete {wire.id} --amount 1000.00")
    assert failed.exit_code == 1
    assert failed.stderr == f"Error: {wire.reference} is already cancelled.\n"


def test_a_request_is_rejected_with_a_reason(flask, world, wire):
    line = ["wires", "reject", str(wire.id), "--reason", "Called back", "--json"]
    record = parsed(flask(line))
    assert (record["state"], record["reason"], record["changed"]) == (
        "rejected",
        "Called back",
        True,
    )
    assert parsed(flask(line))["changed"] is False
    assert flask(f"wires reject {wire.id}").exit_code == 2
    assert world.balance == "100.00"
