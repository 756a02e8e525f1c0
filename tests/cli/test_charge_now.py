"""T18: a command that would charge a method at once needs `--charge` and prints the outcome."""

import json

import pytest

from tests.factories import MASTERCARD, VISA


@pytest.fixture
def below_threshold(world):
    """Refill is on, the balance of 40.00 is below 50.00, and the primary has auto-charge off."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.consent(world.method("4242"), False)
    world.use("60.00")
    return world


REFUSED = "Error: This would charge {} to {} now. Nothing was changed. Add --charge to proceed.\n"


def test_a_debit_that_charges_needs_the_option_t18(flask, world):
    """T18: it is refused with the amount, or posted with the new balance and the outcome."""
    world.cards(VISA)
    world.refill()
    line = f"accounts adjust {world.account_id} 60.00 --debit --reason fee"
    refused = flask(line)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == REFUSED.format("100.00", "Visa •••• 4242")
    assert (world.balance, world.attempts) == ("100.00", [])

    done = flask(f"{line} --charge")
    assert done.exit_code == 0
    assert f"-60.00 posted to account {world.account_id}. The balance is 40.00." in done.stdout
    assert done.stderr == "$100.00 paid with Visa •••• 4242. The balance is $140.00.\n"
    assert world.charges == [("4242", "100.00")]


def test_a_debit_can_hold_the_refill_t18(flask, world):
    """T18: nothing is charged until an operator resumes automatic refills."""
    world.cards(VISA)
    world.refill()
    line = f"accounts adjust {world.account_id} 60.00 --debit --reason fee --hold"
    assert flask(line).exit_code == 0
    world.pass_time(days=1)
    assert (world.balance, world.attempts, world.mails) == ("40.00", [], ["paused"])


def test_a_debit_without_a_charge_needs_no_option_t18(flask, world):
    world.cards(VISA)
    world.refill()
    done = flask(f"accounts adjust {world.account_id} 10.00 --debit --reason fee")
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_new_order_that_charges_needs_the_option_t18(flask, below_threshold):
    """T18: JSON and the outcome use separate streams."""
    ids = f"{below_threshold.method('4444').id} {below_threshold.method('4242').id}"
    refused = flask(f"methods order {below_threshold.account_id} {ids}")
    assert refused.stderr == REFUSED.format("100.00", "Mastercard •••• 4444")
    assert [method.last4 for method in below_threshold.methods] == ["4242", "4444"]

    done = flask(f"methods order {below_threshold.account_id} {ids} --charge --json")
    assert len(json.loads(done.stdout)["order"]) == 2
    assert done.stderr.startswith("$100.00 paid with Mastercard •••• 4444.")


def test_a_removal_that_charges_needs_the_option_t18(flask, below_threshold):
    """T18: removing a primary with auto-charge off makes the next method chargeable."""
    primary = below_threshold.method("4242").id
    refused = flask(f"methods remove {below_threshold.account_id} {primary}")
    assert refused.stderr == REFUSED.format("100.00", "Mastercard •••• 4444")
    assert len(below_threshold.methods) == 2

    done = flask(f"methods remove {below_threshold.account_id} {primary} --charge")
    assert done.stdout == "Visa •••• 4242 was removed.\n"
    assert done.stderr.startswith("$100.00 paid with Mastercard •••• 4444.")


def test_settings_that_charge_need_the_option_t18(flask, world):
    world.cards(VISA)
    world.refill()
    line = f"low-balance set {world.account_id} --threshold 120.00"
    refused = flask(line)
    assert refused.stderr == REFUSED.format("100.00", "Visa •••• 4242")
    assert flask(f"{line} --charge").stderr.startswith("$100.00 paid with Visa •••• 4242.")
    assert world.balance == "200.00"


def test_a_decision_that_charges_needs_the_option_t18(flask, world):
    """T18, L10: deciding the attempt resumes the refill."""
    world.reject_refill()
    line = f"attempts decide {world.attempts[0].id} --not-paid --reason books"
    assert flask(line).stderr == REFUSED.format("100.00", "Visa •••• 4242")
    done = flask(f"{line} --charge")
    assert "is settled as not charged" in done.stdout
    assert done.stderr.startswith("$100.00 paid with Visa •••• 4242.")
