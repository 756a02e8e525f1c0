"""`flask methods`: a customer's payment methods. Only the customer changes auto-charge (M3)."""

import click

from webapp.actions.payment_methods.remove_method import remove_method
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.cli.shared.arguments import ACCOUNT, require
from webapp.cli.shared.charge_now import CHARGE, confirmed, print_outcome
from webapp.cli.shared.output import Commands, lines, prints, sentence
from webapp.domain.shared.context import COMMAND_LINE
from webapp.extensions import make_context, services
from webapp.reads.records.methods import (
    MethodList,
    MethodRecord,
    Order,
    read_method,
    read_methods,
    read_order,
)

commands = Commands("methods", help="List, order and remove a customer's payment methods.")

METHOD = click.argument("method", type=click.IntRange(1, 999_999_999))


def _line(item: MethodRecord) -> str:
    status = item.status.replace("_", " ")
    return f"{item.position:>3}  {item.id:>6}  {item.name:<34}  {status}"


@commands.command("list")
@ACCOUNT
@prints(lines(_line, "No payment methods.", of="payment_methods"))
def list_(account: int) -> MethodList:
    """List the methods of ACCOUNT in the customer's order; the first is the primary."""
    require(account)
    return read_methods(make_context(), account)


@commands.command()
@ACCOUNT
@METHOD
@prints()
def show(account: int, method: int) -> MethodRecord:
    """Show METHOD of ACCOUNT."""
    return read_method(make_context(), account, method)


@commands.command()
@ACCOUNT
@click.argument("ids", type=int, nargs=-1)
@CHARGE
@prints(lambda now: click.echo(" ".join(map(str, now.order))))
def order(account: int, ids: tuple[int, ...], charge: bool) -> Order:
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
    return read_order(make_context(), account)


@commands.command()
@ACCOUNT
@METHOD
@CHARGE
@prints(sentence("{name} was removed."))
def remove(account: int, method: int, charge: bool) -> dict[str, object]:
    """Remove METHOD from ACCOUNT permanently and revoke it at the processor."""
    since = services().clock.now()
    removed = remove_method(
        make_context(COMMAND_LINE), account, method, confirmed=confirmed(charge)
    )
    services().wake()
    print_outcome(account, since)
    return {"removed": removed.id, "name": removed.label}
