"""What all commands share."""

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
    told = flask(f"{command} --help")
    assert told.exit_code == 0
    assert told.output.startswith("Usage:")
    assert len(told.output.splitlines()) > 4


def test_a_database_that_was_never_migrated_is_told_in_one_line(flask, session):
    session.execute(text("DROP TABLE revocation"))
    session.execute(text("DROP TABLE notice"))
    session.commit()
    failed = flask("ledger check")
    assert failed.exit_code == 0  # it needs neither

    failed = flask("jobs run")
    assert failed.exit_code == 1
    assert failed.stderr.count("\n") == 1
    assert "flask --app wsgi db upgrade" in failed.stderr
