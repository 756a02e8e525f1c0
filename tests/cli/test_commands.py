"""Properties of all commands."""

import pytest
from sqlalchemy import text

COMMANDS = [
    "accounts create",
    "accounts export",
    "accounts list",
    "accounts reset-second-factor",
    "accounts show",
    "backup",
    "demo seed",
    "evidence close",
    "evidence list",
    "jobs run",
    "jobs start",
    "keys create",
    "keys list",
    "keys revoke",
    "keys rotate",
    "ledger check",
    "move-to",
    "processors check",
    "restore",
    "usage import",
    "webhooks add",
]


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, "accounts", "demo", "evidence", "jobs", "keys", "ledger", "processors", "usage"],
)
def test_every_command_has_help(flask, command):
    result = flask(f"{command} --help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")
    assert len(result.output.splitlines()) > 4


def test_missing_tables_are_reported_in_one_line(flask, session):
    session.execute(text("DROP TABLE revocation"))
    session.execute(text("DROP TABLE notice"))
    session.commit()
    failed = flask("ledger check")
    assert failed.exit_code == 0  # this command needs neither table

    failed = flask("jobs run")
    assert failed.exit_code == 1
    assert failed.stderr.count("\n") == 1
    assert "flask --app wsgi db upgrade" in failed.stderr
