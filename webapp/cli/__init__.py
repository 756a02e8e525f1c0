"""The operator's command line. Commands hold no rules: they parse, call one action, print."""

from flask import Flask

from webapp.cli import accounts, attempts, copies, demo, evidence, jobs, keys, ledger, usage, wires


def register(app: Flask) -> None:
    for room in (accounts, attempts, demo, evidence, jobs, keys, ledger, usage, wires):
        app.cli.add_command(room.commands)
    for command in (copies.backup, copies.restore, copies.move_to):
        app.cli.add_command(command)
