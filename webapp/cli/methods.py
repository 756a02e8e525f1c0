"""`flask methods`: a customer's payment methods. Only the customer changes auto-charge (M3)."""

from dataclasses import asdict

import click

from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.cli.shared.arguments import ACCOUNT, require
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, as_json, print_json, print_record
from webapp.domain.shared.context import COMMAND_LINE
from webapp.extensions import make_context, services
from webapp.reads.records.methods import read_method, read_methods, read_order

commands = Commands("methods", help="List, order and remove a customer's payment methods.")

METHOD = click.argument("method", type=click.IntRange(1, 999_999_999))


@commands.command("list")
@ACCOUNT
@as_json
def list_(account: int, as_json: bool) -> None:
    """List the methods of ACCOUNT in the customer's order; the first is the primary."""
    require(account)
    found = read_methods(make_context(), account)
    if as_json:
        print_json(asdict(found))
        return
    for item in found.payment_methods:
        words = item.status.replace("_", " ")
        click.echo(f"{item.position:>3}  {item.id:>6}  {item.name:<34}  {words}")
    if not found.payment_methods:
        click.echo("No payment methods.")


@commands.command()
@ACCOUNT
@METHOD
@as_json
def show(account: int, method: int, as_json: bool) -> None:
    """Show METHOD of ACCOUNT."""
    record = asdict(read_method(make_context(), account, method))
    print_json(record) if as_json else print_record(record)


@commands.command()
@ACCOUNT
@click.argument("ids", type=int, nargs=-1)
@CHARGE
@as_json
def order(account: int, ids: tuple[int, ...], charge: bool, as_json: bool) -> None:
    """Show the order of ACCOUNT's methods, or set it to IDS, which must include all methods."""
    require(account)
    seen = read_order(make_context(), account).order
    if ids:
        since = services().clock.now()
        reorder_methods(
            make_context(COMMAND_LINE).at(since), account, ids, seen, confirmed=confirmed(charge)
        )
        services().wake()
        print_outcome(account, since)
    now = read_order(make_context(), account)
    print_json(asdict(now)) if as_json else click.echo(" ".join(map(str, now.order)))


@commands.command()
@ACCOUNT
@METHOD
@CHARGE
@as_json
def remove(account: int, method: int, charge: bool, as_json: bool) -> None:
    """Remove METHOD from ACCOUNT permanently and revoke it at the processor."""
    since = services().clock.now()
    removed = remove_method(
        make_context(COMMAND_LINE), account, method, confirmed=confirmed(charge)
    )
    services().wake()
    print_outcome(account, since)
    record = {"removed": removed.id, "name": removed.label}
    print_json(record) if as_json else click.echo(f"{removed.label} was removed.")
