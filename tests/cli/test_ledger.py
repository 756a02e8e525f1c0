"""`flask ledger check`. What it finds is tested in tests/reads/ledger/test_ledger_check.py."""

import json

from tests.tampering import tamper


def test_books_that_agree(flask, world):
    world.pay(world.card())
    checked = flask("ledger check")
    assert checked.exit_code == 0
    assert checked.output == (
        "Accounts: 1. Ledger entries: 2. Payments: 2. Sandbox charges: 1.\nNo differences.\n"
    )


def test_a_difference_is_told_and_the_exit_code_is_1(flask, world, session):
    tamper(session, "UPDATE account SET balance = balance + 1")
    checked = flask("ledger check")
    assert checked.exit_code == 1
    assert "balance_is_not_the_sum: Account" in checked.output
    assert checked.output.endswith("Differences: 2.\n")


def test_as_json(flask, world, session):
    assert json.loads(flask("ledger check --json").output)["agrees"] is True
    tamper(session, "UPDATE account SET balance = balance + 1")
    checked = flask("ledger check --json")
    assert checked.exit_code == 1
    told = json.loads(checked.output)
    assert told["agrees"] is False
    assert told["differences"][0]["account_id"] == world.account_id
