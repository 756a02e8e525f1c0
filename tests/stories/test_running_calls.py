"""Two active calls while the balance falls: what the screen shows, and that only usage counts
(T12).
"""

from tests.factories import VISA
from tests.web.conftest import words
from webapp.domain.accounts.account import Account

MAIN = "/billing/payment-methods"


def test_holds_of_active_calls_are_shown(world, client):
    """T12: with the recommended threshold, whatever the threshold is; hidden once they have
    ended.
    """
    world.cards(VISA)
    world.refill("60.00")
    calm = words(client.get(MAIN))
    assert "active call" not in calm
    world.hold("4.10", "running-1"), world.hold("2.30", "running-2")
    content = words(client.get(MAIN))
    assert (
        "2 active calls are holding $6.40. We recommend a threshold of at least $50.00." in content
    )
    assert "Balance now $100.00 Available $93.60" in words(client.get("/billing/statement"))
    world.use("3.95", "running-1")
    assert "1 active call is holding $2.30. We recommend a threshold of at least $50.00." in words(
        client.get(MAIN)
    )
    world.use("2.10", "running-2")
    assert "active call" not in words(client.get(MAIN))
    assert "Available" not in words(client.get("/billing/statement"))


def test_a_threshold_is_recommended_if_the_threshold_is_low(world, client):
    """T12"""
    world.cards(VISA)
    world.refill("30.00")
    assert "We recommend a threshold of at least $50.00." in words(client.get(MAIN))
    world.refill("50.00")
    assert "We recommend" not in words(client.get(MAIN))


def test_only_usage_moves_the_balance_below_the_threshold(world):
    """T12: the holds exceed the balance, but the refill follows the usage."""
    world.cards(VISA)
    world.refill()
    world.hold("60.00", "running-1"), world.hold("40.00", "running-2")
    world.pass_time(minutes=30)
    assert (world.balance, world.charges) == ("100.00", [])
    world.use("48.00", "running-1")
    world.work()
    assert (world.balance, world.charges) == ("52.00", [])
    world.use("3.00", "running-2")
    world.work()
    assert (world.balance, world.charges) == ("149.00", [("4242", "100.00")])


def test_a_hold_updates_open_pages(world):
    """T12: it increments the account's revision, like every change that open pages show."""

    def seen():
        world.session.rollback()
        return world.session.get_one(Account, world.account_id).revision

    before = seen()
    world.hold("1.00", "running-1")
    assert seen() > before
