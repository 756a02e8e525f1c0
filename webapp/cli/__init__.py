"""The operator's command line. Commands hold no rules: they parse, call one action, print."""

from flask import Flask

from webapp.cli import accounts, demo, jobs, ledger, usage


def register(app: Flask) -> None:
    for room in (accounts, demo, jobs, ledger, usage):
        app.cli.add_command(room.commands)
