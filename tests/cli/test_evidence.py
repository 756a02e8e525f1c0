"""What a processor says that fits nothing here is the operator's to look into (L9)."""

import json

from webapp.domain.payments import unmatched_events


def stray(world):
    now = world.clock.now()
    unmatched_events.record(
        world.session, "sandbox", "ch_1", "It is no payment of ours.", 5_000_000, "USD", now, now
    )
    world.session.commit()


def test_it_is_listed_until_somebody_says_what_was_found(flask, world):
    stray(world)

    (listed,) = json.loads(flask("evidence list --json").stdout)
    assert (listed["reference"], listed["amount"]) == ("ch_1", "5.00")
    assert "It is no payment of ours." in flask("evidence list").stdout

    closed = flask(f"evidence close {listed['evidence']} --reason 'A test charge'")
    assert closed.exit_code == 0
    assert flask("evidence list").stdout == "No unmatched events to review.\n"


def test_what_names_no_amount_shows_none(flask, world):
    """L9: as a dispute that the processor lets nobody read."""
    now = world.clock.now()
    unmatched_events.record(world.session, "sandbox", "dp_1", "It cannot be read.", 0, "", now, now)
    world.session.commit()

    assert "no amount  sandbox dp_1: It cannot be read." in flask("evidence list").stdout


def test_it_is_closed_once_and_with_a_reason(flask, world):
    stray(world)
    ((one,)) = json.loads(flask("evidence list --json").stdout)
    close = f"evidence close {one['evidence']} --reason"

    assert "Enter what was found" in flask(f"{close} ' '").stderr
    flask(f"{close} seen")
    assert "already closed" in flask(f"{close} seen").stderr
    assert "not found" in flask("evidence close 99 --reason seen").stderr


def test_the_same_evidence_lies_there_once(flask, world):
    stray(world)
    stray(world)

    assert len(json.loads(flask("evidence list --json").stdout)) == 1
