"""`flask methods`: a customer's payment methods. Only the customer changes auto-charge (M3)."""

from dataclasses import asdict

import click

from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.cli.shared.arguments import ACCOUNT, require
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, as_json, print_json, print_record
from webapp.domain.accounts.audit import COMMAND_LINE
from webapp.extensions import db, services
from webapp.reads.records.methods import read_method, read_methods, read_order

commands = Commands("methods", help="List, order and remove a customer's payment methods.")

METHOD = click.argument("method", type=click.IntRange(1, 999_999_999))


@commands.command("list")
@ACCOUNT
@as_json
def list_(account: int, as_json: bool) -> None:
    """List the methods of ACCOUNT in the customer's order; the first is the primary."""
    require(account)
    found = read_methods(db.session(), account, services().clock.now())
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
    record = asdict(read_method(db.session(), account, method, services().clock.now()))
    print_json(record) if as_json else print_record(record)


@commands.command()
@ACCOUNT
@click.argument("ids", type=int, nargs=-1)
@CHARGE
@as_json
def order(account: int, ids: tuple[int, ...], charge: bool, as_json: bool) -> None:
    """Show the order of ACCOUNT's methods, or set it to IDS, which must include all methods."""
    require(account)
    session = db.session()
    seen = read_order(session, account).order
    if ids:
        since = services().clock.now()
        around = (COMMAND_LINE, since, services().policy)
        reorder_methods(session, account, ids, seen, *around, confirmed=confirmed(charge))
        services().wake()
        print_outcome(account, since)
    now = read_order(session, account)
    print_json(asdict(now)) if as_json else click.echo(" ".join(map(str, now.order)))


@commands.command()
@ACCOUNT
@METHOD
@CHARGE
@as_json
def remove(account: int, method: int, charge: bool, as_json: bool) -> None:
    """Remove METHOD from ACCOUNT permanently and revoke it at the processor."""
    since = services().clock.now()
    around = (COMMAND_LINE, services().processors, services().clock, services().policy)
    removed = remove_method(db.session(), account, method, *around, confirmed=confirmed(charge))
    services().wake()
    print_outcome(account, since)
    record = {"removed": removed.id, "name": removed.label}
    print_json(record) if as_json else click.echo(f"{removed.label} was removed.")
