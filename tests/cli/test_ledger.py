"""`flask ledger check`. Its findings are tested in tests/reads/ledger/test_ledger_check.py."""

import json

from tests.tampering import tamper


def test_consistent_books_agree(flask, world):
    world.pay(world.card())
    checked = flask("ledger check")
    assert checked.exit_code == 0
    assert checked.output == (
        "Accounts: 1. Ledger entries: 2. Payments: 2. Sandbox charges: 1.\nNo differences.\n"
    )


def test_a_difference_is_printed_with_exit_code_1(flask, world, session):
    tamper(session, "UPDATE account SET balance = balance + 1")
    checked = flask("ledger check")
    assert checked.exit_code == 1
    assert "balance_is_not_the_sum: Account" in checked.output
    assert checked.output.endswith("Differences: 2.\n")


def test_the_result_as_json(flask, world, session):
    assert json.loads(flask("ledger check --json").output)["agrees"] is True
    tamper(session, "UPDATE account SET balance = balance + 1")
    checked = flask("ledger check --json")
    assert checked.exit_code == 1
    result = json.loads(checked.output)
    assert result["agrees"] is False
    assert result["differences"][0]["account_id"] == world.account_id
