"""`flask low-balance`: automatic refill and low-balance notification of an account."""

from dataclasses import asdict, replace

import click

from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.cli.shared.arguments import ACCOUNT, CENTS, require
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, as_json, print_json, print_record
from webapp.domain.accounts.audit import COMMAND_LINE
from webapp.domain.top_ups.settings import LowBalanceSettings, RefillMode
from webapp.extensions import db, services
from webapp.reads.records.settings import read_settings

commands = Commands("low-balance", help="Automatic refill and low-balance notification.")

AMOUNTS = (
    "threshold", "refill-amount", "target", "largest-charge", "day-limit", "month-limit",
    "notification-threshold",
)  # fmt: skip


@commands.command()
@ACCOUNT
@as_json
def show(account: int, as_json: bool) -> None:
    """Show the settings of ACCOUNT."""
    require(account)
    _print_settings(account, as_json)


@commands.command("set")
@ACCOUNT
@click.option("--refill/--no-refill", default=None, help="Switch automatic refill on or off.")
@click.option(
    "--mode",
    type=click.Choice([str(mode) for mode in RefillMode]),
    help="add: charge the refill amount; target: charge the gap to the target.",
)
@click.option(
    "--threshold", type=CENTS, metavar="50.00", help="Refill when the balance falls below this."
)
@click.option(
    "--refill-amount", type=CENTS, metavar="100.00", help="The amount to charge in mode add."
)
@click.option("--target", type=CENTS, metavar="150.00", help="The balance to reach in mode target.")
@click.option(
    "--largest-charge", type=CENTS, metavar="300.00", help="Maximum of one charge in mode target."
)
@click.option(
    "--day-limit",
    type=CENTS,
    metavar="500.00",
    help="Daily limit of automatic charges. If empty while refill is on, a default is set.",
)
@click.option("--no-day-limit", is_flag=True, help="Set no daily limit, not even the default.")
@click.option(
    "--month-limit", type=CENTS, metavar="900.00", help="Monthly limit of automatic charges."
)
@click.option(
    "--notification/--no-notification",
    default=None,
    help="Switch the low-balance notification on or off.",
)
@click.option(
    "--notification-threshold",
    type=CENTS,
    metavar="75.00",
    help="Notify when the balance falls below this.",
)
@click.option(
    "--empty", multiple=True, type=click.Choice(AMOUNTS), help="An amount to clear; repeatable."
)
@CHARGE
@as_json
def set_(
    account: int,
    refill: bool | None,
    mode: str | None,
    notification: bool | None,
    no_day_limit: bool,
    empty: tuple[str, ...],
    charge: bool,
    as_json: bool,
    **amounts: int | None,
) -> None:
    """Change the given settings of ACCOUNT, either all of them or none."""
    require(account)
    session = db.session()
    settings = LowBalanceSettings.of(session, account)
    changes: dict[str, object] = {
        name: amount for name, amount in amounts.items() if amount is not None
    }
    changes |= {name.replace("-", "_"): None for name in empty}
    if no_day_limit:
        changes = {"day_limit": None} | changes | {"no_day_limit": True}
    elif "day_limit" in changes:
        changes["no_day_limit"] = False
    if refill is not None:
        changes["refill_on"] = refill
    if notification is not None:
        changes["notification_on"] = notification
    if mode is not None:
        changes["refill_mode"] = RefillMode(mode)
    choice = replace(settings.chosen(), **changes)  # type: ignore[arg-type]
    since = services().clock.now()
    around = (COMMAND_LINE, since, services().policy)
    apply_settings(session, account, choice, settings.version, *around, confirmed=confirmed(charge))
    services().wake()
    print_outcome(account, since)
    _print_settings(account, as_json)


def _print_settings(account: int, as_json: bool) -> None:
    record = asdict(read_settings(db.session(), account)[0])
    print_json(record) if as_json else print_record(record)
