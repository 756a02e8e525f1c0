"""`flask low-balance`: when a customer's balance is refilled, and when they are warned."""

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

commands = Commands("low-balance", help="When a balance is refilled, and when people are warned.")

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
    _tell(account, as_json)


@commands.command("set")
@ACCOUNT
@click.option("--refill/--no-refill", default=None, help="Whether the balance is refilled.")
@click.option(
    "--mode",
    type=click.Choice([str(mode) for mode in RefillMode]),
    help="add: charge exactly the refill amount; target: what brings the balance up to the target.",
)
@click.option("--threshold", type=CENTS, metavar="50.00", help="Refill when it falls below.")
@click.option("--refill-amount", type=CENTS, metavar="100.00")
@click.option("--target", type=CENTS, metavar="150.00")
@click.option(
    "--largest-charge", type=CENTS, metavar="300.00", help="No charge up to the target is larger."
)
@click.option(
    "--day-limit",
    type=CENTS,
    metavar="500.00",
    help="Of automatic payments. Where it is empty and refill is on, a default is set.",
)
@click.option("--no-day-limit", is_flag=True, help="Have no daily limit, not even the default.")
@click.option("--month-limit", type=CENTS, metavar="900.00", help="Of automatic payments.")
@click.option("--notification/--no-notification", default=None, help="Whether people are warned.")
@click.option("--notification-threshold", type=CENTS, metavar="75.00")
@click.option("--empty", multiple=True, type=click.Choice(AMOUNTS), help="An amount to take away.")
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
    """Change what is given, of the settings of ACCOUNT; together, or not at all."""
    require(account)
    session = db.session()
    settings = LowBalanceSettings.of(session, account)
    changes: dict[str, object] = {name: it for name, it in amounts.items() if it is not None}
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
    _tell(account, as_json)


def _tell(account: int, as_json: bool) -> None:
    record = asdict(read_settings(db.session(), account)[0])
    print_json(record) if as_json else print_record(record)
