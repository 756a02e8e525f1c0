"""`flask processors check`: problems between Ballast and its processors."""

import json

import pytest


@pytest.fixture
def check_processors(flask):
    """Return a function that returns (right, text) by processor and subject."""

    def check():
        result = flask("processors check --json")
        rows = {(row["processor"], row["what"]): row for row in json.loads(result.stdout)}
        assert result.exit_code == (0 if all(row["right"] for row in rows.values()) else 1)
        return {key: (row["right"], row["said"]) for key, row in rows.items()}

    return check


def test_without_a_real_processor_there_is_nothing_to_check(flask):
    """L17: the sandbox delivers its events from its own books, so none is missed."""
    assert flask("processors check").stdout == (
        "Nothing to check: no real processor is configured.\n"
    )


def test_the_last_event_is_shown(check_processors, world, stripe):
    """L17"""
    nothing_yet = "No event from stripe received yet; not caught up yet"
    assert check_processors()["stripe", "events"] == (True, nothing_yet)
    stripe.card()
    stripe.pay()
    stripe.deliver()
    world.pass_time(minutes=10)

    assert check_processors()["stripe", "events"] == (
        True,
        "Last event from stripe received 2026-11-22 10:00 UTC; caught up to 2026-11-22 10:00 UTC",
    )
    assert check_processors()["stripe", "event list"][0] is True


def test_events_without_a_webhook_are_reported(check_processors, world, stripe):
    """L17: for example after a wrong signing secret, which no other check detects."""
    stripe.card()
    stripe.pay()
    stripe.lose_webhooks()
    world.pass_time(hours=1)

    is_right, text = check_processors()["stripe", "events"]

    assert not is_right
    assert "1 event found by listing since the last webhook" in text


def test_a_key_without_access_to_events_is_reported(check_processors, world, stripe):
    """L17"""
    stripe.there.lists_events = False
    world.run("catch up")

    is_right, text = check_processors()["stripe", "event list"]

    assert not is_right
    assert "may not read events. Allow the key to read them." in text
    assert "Events could not be listed" in check_processors()["stripe", "events"][1]


def test_an_unreachable_processor_is_reported(check_processors, world, stripe):
    """L17"""
    stripe.there.is_away = True

    is_right, text = check_processors()["stripe", "event list"]

    assert not is_right
    assert text.endswith("Check the network, then try again.")


def test_events_that_are_not_caught_up_on_are_reported(check_processors, world, paypal):
    """L17: as when no jobs run."""
    world.run("catch up")
    assert check_processors()["paypal", "events"][0] is True
    world.clock.advance(hours=4)

    is_right, text = check_processors()["paypal", "events"]

    assert not is_right
    assert text.endswith("caught up to 2026-11-22 10:00 UTC")
