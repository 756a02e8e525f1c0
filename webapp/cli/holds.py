"""`flask holds`: holds for calls in progress (T12)."""

from datetime import datetime, timedelta

import click

from webapp.actions.usage.change_hold import change_hold
from webapp.actions.usage.open_hold import open_hold
from webapp.actions.usage.release_hold import release_hold
from webapp.cli.shared.arguments import ACCOUNT, MICROS, require
from webapp.cli.shared.arguments import REFERENCE as REFERENCE_TYPE
from webapp.cli.shared.output import Commands, lines, prints
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.hold_request import HoldChange, HoldRequest, Rate
from webapp.domain.usage.holds import LIFE, Hold, find
from webapp.extensions import db, make_context, services
from webapp.reads.usage.holds import read_open_holds

commands = Commands("holds", help="Holds for calls in progress.")

REFERENCE = click.argument("reference")
LONGEST = int(LIFE.total_seconds())
LINE = "{granted:>14}  {reference}  until {expires_at:%Y-%m-%d %H:%M} UTC"
SECONDS = click.IntRange(1, LONGEST)
RATE = click.option("--rate", type=MICROS, help="The price of a minute, to hold time.")
INCREMENT = click.option(
    "--increment",
    type=SECONDS,
    help="With --rate: time is charged in whole increments of this many seconds. Default: 1.",
)
MINIMUM = click.option("--minimum", type=MICROS, help="The least amount that may be granted.")


@commands.command("list")
@ACCOUNT
@prints(lines(LINE, "No open holds."))
def list_(account: int) -> list[dict[str, object]]:
    """List the open holds of ACCOUNT, oldest first."""
    require(account)
    return [_record(hold) for hold in read_open_holds(make_context(COMMAND_LINE), account)]


@commands.command()
@ACCOUNT
@REFERENCE
@prints()
def show(account: int, reference: str) -> dict[str, object]:
    """Show the hold with REFERENCE."""
    return _record(find(db.session(), account, reference))


@commands.command("open")
@ACCOUNT
@click.argument("reference", type=REFERENCE_TYPE)
@click.argument("amount", type=MICROS, required=False)
@RATE
@INCREMENT
@MINIMUM
@click.option(
    "--expires-in",
    type=SECONDS,
    default=LONGEST,
    show_default=True,
    help="Seconds until the hold expires.",
)
@prints()
def open_(
    account: int,
    reference: str,
    amount: int | None,
    rate: int | None,
    increment: int | None,
    minimum: int | None,
    expires_in: int,
) -> dict[str, object]:
    """Hold AMOUNT, or time at a rate, under REFERENCE. Repeating the command changes nothing."""
    lasts = timedelta(seconds=expires_in)
    request = HoldRequest(lasts, amount, Rate.read(rate, increment), minimum)
    return _record(open_hold(make_context(COMMAND_LINE), account, reference, request).hold)


@commands.command()
@ACCOUNT
@REFERENCE
@click.option("--used", type=MICROS, help="The cost since the last report: it is debited.")
@click.option(
    "--used-total",
    type=MICROS,
    help="The cost since the start: what earlier reports have not debited is debited.",
)
@click.option("--amount", type=MICROS, help="The amount of the next part. Default: as last time.")
@RATE
@INCREMENT
@MINIMUM
@click.option(
    "--expires-in", type=SECONDS, help="Seconds until the hold expires. Default: as last time."
)
@prints()
def change(
    account: int,
    reference: str,
    used: int | None,
    used_total: int | None,
    amount: int | None,
    rate: int | None,
    increment: int | None,
    minimum: int | None,
    expires_in: int | None,
) -> dict[str, object]:
    """Debit what the call has used, and hold its next part, under REFERENCE."""
    price = Rate.read(rate, increment)
    if all(it is None for it in (used, used_total, amount, price, minimum, expires_in)):
        raise click.UsageError("Give --used, --amount, --rate, --minimum or --expires-in.")
    if used is not None and used_total is not None:
        raise click.UsageError("Give --used or --used-total, not both.")
    lasts = timedelta(seconds=expires_in) if expires_in is not None else None
    asked = HoldChange(used, used_total, amount, price, minimum, lasts)
    changed = change_hold(make_context(COMMAND_LINE), account, reference, asked)
    if changed.opened_top_up:
        services().wake()
    if changed.refusal is not None:
        raise changed.refusal
    return _record(changed.hold)


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
        "amount": decimal_text(hold.asked),
        "granted": decimal_text(hold.amount),
        "seconds": hold.seconds,
        "used": decimal_text(hold.used),
        "state": str(hold.standing(_now())),
        "opened_at": hold.opened_at,
        "expires_at": hold.expires_at,
        "ended_at": hold.ended_at,
    }
