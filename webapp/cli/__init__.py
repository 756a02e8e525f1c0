"""The operator's command line. Commands only parse input, call one action and print the result."""

from flask import Flask

from webapp.cli import (
    accounts,
    attempts,
    backup,
    events,
    evidence,
    holds,
    jobs,
    keys,
    ledger,
    low_balance,
    methods,
    operators,
    payments,
    post,  # noqa: F401 adds a command to `usage`
    processors,
    statement,
    usage,
    webhooks,
    wires,
)
from webapp.cli.demo import commands as demo_commands

GROUPS = (
    accounts, attempts, demo_commands, events, evidence, holds, jobs, keys, ledger, low_balance,
    methods, operators, payments, processors, usage, webhooks, wires,
)  # fmt: skip
COMMANDS = (
    statement.activity, statement.statement, backup.backup, backup.restore, backup.move_to,
    keys.provider_commands, webhooks.provider_commands,
)  # fmt: skip


def register(app: Flask) -> None:
    for group in GROUPS:
        app.cli.add_command(group.commands)
    for command in COMMANDS:
        app.cli.add_command(command)
