"""Processor events that match no payment are for the operator to investigate (L9)."""

import json

from webapp.domain.payments import unmatched_events


def record_unmatched_event(world):
    now = world.clock.now()
    unmatched_events.record(
        world.ctx.at(now), "sandbox", "ch_1", "It is no payment of ours.", 5_000_000, "USD", now
    )
    world.session.commit()


def test_an_event_is_listed_until_it_is_closed(flask, world):
    record_unmatched_event(world)

    (listed,) = json.loads(flask("evidence list --json").stdout)
    assert (listed["reference"], listed["amount"]) == ("ch_1", "5.00")
    assert "It is no payment of ours." in flask("evidence list").stdout

    closed = flask(f"evidence close {listed['evidence']} --reason 'A test charge'")
    assert closed.exit_code == 0
    assert flask("evidence list").stdout == "No unmatched events to review.\n"


def test_an_event_without_an_amount_shows_none(flask, world):
    """L9: for example a dispute that cannot be read at the processor."""
    now = world.clock.now()
    unmatched_events.record(world.ctx.at(now), "sandbox", "dp_1", "It cannot be read.", 0, "", now)
    world.session.commit()

    assert "no amount  sandbox dp_1: It cannot be read." in flask("evidence list").stdout


def test_an_event_is_closed_once_with_a_reason(flask, world):
    record_unmatched_event(world)
    (listed,) = json.loads(flask("evidence list --json").stdout)
    close = f"evidence close {listed['evidence']} --reason"

    assert "Enter the result of your check" in flask(f"{close} ' '").stderr
    flask(f"{close} seen")
    assert "already closed" in flask(f"{close} seen").stderr
    assert "not found" in flask("evidence close 99 --reason seen").stderr


def test_the_same_event_is_recorded_once(flask, world):
    record_unmatched_event(world)
    record_unmatched_event(world)

    assert len(json.loads(flask("evidence list --json").stdout)) == 1
