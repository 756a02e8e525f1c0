"""`flask low-balance`: automatic refill and low-balance notification of an account."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.cli.shared.arguments import ACCOUNT, CENTS, require
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, prints
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.field_tables import Amount, Option, Setting, Switch
from webapp.domain.top_ups.settings import FIELDS, LowBalanceSettings
from webapp.extensions import db, make_context, services
from webapp.reads.records.settings import read_settings

commands = Commands("low-balance", help="Automatic refill and low-balance notification.")

Command = Callable[..., None]
BOXES = [field for field in FIELDS.values() if isinstance(field, Switch) and field.clears]


def setting_options(command: Command) -> Command:
    """Add an option for each field of the settings, and `--empty` for the amounts."""
    amounts = click.Choice([it.option for it in FIELDS.values() if isinstance(it, Amount)])
    words = "An amount to clear; repeatable."
    command = click.option("--empty", multiple=True, type=amounts, help=words)(command)
    for field in reversed([*FIELDS.values()]):
        command = _option(field)(command)
    return command


def _option(field: Setting) -> Callable[[Command], Command]:
    """`--refill/--no-refill`, `--no-day-limit`, `--mode add` or `--day-limit 500.00`."""
    names, metavar = f"--{field.option}", None
    kind: click.ParamType | None = None
    match field:
        case Switch(clears=""):
            names = f"{names}/--no-{field.option}"
        case Option():
            kind = click.Choice([str(value) for value in field.options])
        case Amount():
            kind, metavar = CENTS, field.example
    words = field.about.replace("`", "")
    is_flag = isinstance(field, Switch)
    return click.option(
        names, field.name, type=kind, is_flag=is_flag, default=None, metavar=metavar, help=words
    )


@commands.command()
@ACCOUNT
@prints()
def show(account: int) -> object:
    """Show the settings of ACCOUNT."""
    require(account)
    return read_settings(make_context(), account)[0]


@commands.command("set")
@ACCOUNT
@setting_options
@CHARGE
@prints()
def set_(account: int, empty: tuple[str, ...], charge: bool, **given: Any) -> object:
    """Change the given settings of ACCOUNT, either all of them or none."""
    require(account)
    session = db.session()
    settings = LowBalanceSettings.of(session, account)
    changes = {
        name: FIELDS[name].restore(value) for name, value in given.items() if value is not None
    }
    changes |= {name: None for name, field in FIELDS.items() if field.option in empty}
    for box in BOXES:
        if changes.get(box.name):
            changes = {box.clears: None} | changes
        elif box.clears in changes:
            changes[box.name] = False
    choice = replace(settings.chosen(), **changes)
    since = services().clock.now()
    apply_settings(
        make_context(COMMAND_LINE).at(since),
        account,
        choice,
        settings.version,
        confirmed=confirmed(charge),
    )
    services().wake()
    print_outcome(account, since)
    return read_settings(make_context(), account)[0]
