"""`flask processors check`: what is wrong between Ballast and its processors."""

import json

import pytest


@pytest.fixture
def found(flask):
    """By processor and what was looked at: whether it is right, and what is said."""

    def check():
        told = flask("processors check --json")
        rows = {(row["processor"], row["what"]): row for row in json.loads(told.stdout)}
        assert told.exit_code == (0 if all(row["right"] for row in rows.values()) else 1)
        return {key: (row["right"], row["said"]) for key, row in rows.items()}

    return check


def test_without_a_real_processor_there_is_nothing_to_check(flask):
    """L17: the sandbox delivers its events from its own books, so none is missed."""
    assert flask("processors check").stdout == (
        "Nothing to check: no real processor is configured.\n"
    )


def test_the_last_event_is_shown(found, world, stripe):
    """L17"""
    nothing_yet = "No event from stripe received yet; not caught up yet"
    assert found()["stripe", "events"] == (True, nothing_yet)
    stripe.card()
    stripe.pay()
    stripe.deliver()
    world.pass_time(minutes=10)

    assert found()["stripe", "events"] == (
        True,
        "Last event from stripe received 2026-11-22 10:00 UTC; caught up to 2026-11-22 10:00 UTC",
    )
    assert found()["stripe", "event list"][0] is True


def test_events_that_no_webhook_has_told_are_wrong(found, world, stripe):
    """L17: as with a wrong signing secret, which nothing else can find."""
    stripe.card()
    stripe.pay()
    stripe.lose_webhooks()
    world.pass_time(hours=1)

    is_right, said = found()["stripe", "events"]

    assert not is_right
    assert "1 event found by listing since the last webhook" in said


def test_a_key_that_may_not_read_events_is_told(found, world, stripe):
    """L17"""
    stripe.there.lists_events = False
    world.run("catch up")

    is_right, said = found()["stripe", "event list"]

    assert not is_right
    assert "may not read events. Allow the key to read them." in said
    assert "Events could not be listed" in found()["stripe", "events"][1]


def test_a_processor_that_is_away_is_told(found, world, stripe):
    """L17"""
    stripe.there.is_away = True

    is_right, said = found()["stripe", "event list"]

    assert not is_right
    assert said.endswith("Check the network, then try again.")


def test_events_that_are_not_caught_up_are_wrong(found, world, paypal):
    """L17: nobody runs the jobs."""
    world.run("catch up")
    assert found()["paypal", "events"][0] is True
    world.clock.advance(hours=4)

    is_right, said = found()["paypal", "events"]

    assert not is_right
    assert said.endswith("caught up to 2026-11-22 10:00 UTC")
