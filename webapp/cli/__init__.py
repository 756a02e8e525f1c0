"""The operator's command line. Commands hold no rules: they parse, call one action, print."""

from flask import Flask

from webapp.cli import (
    accounts,
    attempts,
    books,
    copies,
    demo,
    evidence,
    holds,
    jobs,
    keys,
    ledger,
    low_balance,
    methods,
    operators,
    payments,
    post,  # noqa: F401 it joins the group of usage
    processors,
    usage,
    webhooks,
    wires,
)

GROUPS = (
    accounts, attempts, demo, evidence, holds, jobs, keys, ledger, low_balance, methods, operators,
    payments, processors, usage, wires, usage, webhooks, wires,
)  # fmt: skip
COMMANDS = (
    books.activity, books.statement, copies.backup, copies.restore, copies.move_to,
)  # fmt: skip


def register(app: Flask) -> None:
    for group in GROUPS:
        app.cli.add_command(group.commands)
    for command in COMMANDS:
        app.cli.add_command(command)
