"""`flask holds`: holds for calls in progress (T12)."""

from datetime import datetime, timedelta

import click

from webapp.actions.usage.change_hold import change_hold
from webapp.actions.usage.open_hold import open_hold
from webapp.actions.usage.release_hold import release_hold
from webapp.cli.shared.arguments import ACCOUNT, MICROS, require
from webapp.cli.shared.output import Commands, lines, prints
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.holds import LIFE, Hold, find
from webapp.extensions import db, make_context, services
from webapp.reads.usage.holds import read_open_holds

commands = Commands("holds", help="Holds for calls in progress.")

REFERENCE = click.argument("reference")
LONGEST = int(LIFE.total_seconds())
SECONDS = click.IntRange(1, LONGEST)


@commands.command("list")
@ACCOUNT
@prints(lines("{amount:>14}  {reference}  until {expires_at:%Y-%m-%d %H:%M} UTC", "No open holds."))
def list_(account: int) -> list[dict[str, object]]:
    """List the open holds of ACCOUNT, oldest first."""
    require(account)
    return [_record(hold) for hold in read_open_holds(make_context().at(_now()), account)]


@commands.command()
@ACCOUNT
@REFERENCE
@prints()
def show(account: int, reference: str) -> dict[str, object]:
    """Show the hold with REFERENCE."""
    return _record(find(db.session(), account, reference))


@commands.command("open")
@ACCOUNT
@REFERENCE
@click.argument("amount", type=MICROS)
@click.option(
    "--expires-in",
    type=SECONDS,
    default=LONGEST,
    show_default=True,
    help="Seconds until the hold expires.",
)
@prints()
def open_(account: int, reference: str, amount: int, expires_in: int) -> dict[str, object]:
    """Hold AMOUNT under REFERENCE. Repeating the command changes nothing."""
    lasts = timedelta(seconds=expires_in)
    return _record(open_hold(make_context().at(_now()), account, reference, amount, lasts).hold)


@commands.command()
@ACCOUNT
@REFERENCE
@click.option("--amount", type=MICROS, help="The new estimated cost.")
@click.option("--expires-in", type=SECONDS, help="Seconds from now until the hold expires.")
@prints()
def change(
    account: int, reference: str, amount: int | None, expires_in: int | None
) -> dict[str, object]:
    """Change the amount, the expiry, or both of the hold with REFERENCE."""
    if amount is None and expires_in is None:
        raise click.UsageError("Give --amount or --expires-in.")
    lasts = timedelta(seconds=expires_in) if expires_in is not None else None
    return _record(change_hold(make_context().at(_now()), account, reference, amount, lasts))


@commands.command()
@ACCOUNT
@REFERENCE
@prints()
def release(account: int, reference: str) -> dict[str, object]:
    """Release the hold with REFERENCE without usage."""
    return _record(release_hold(make_context().at(_now()), account, reference))


def _now() -> datetime:
    return services().clock.now()


def _record(hold: Hold) -> dict[str, object]:
    return {
        "reference": hold.reference,
        "amount": decimal_text(hold.amount),
        "state": str(hold.standing(_now())),
        "opened_at": hold.opened_at,
        "expires_at": hold.expires_at,
        "ended_at": hold.ended_at,
    }
