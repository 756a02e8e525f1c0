"""`flask ledger`: prove the books."""

from dataclasses import asdict

import click

from webapp.cli.shared.output import Commands, as_json, print_json
from webapp.extensions import db, services
from webapp.reads.ledger.ledger_check import LedgerCheck, check_ledger

commands = Commands("ledger", help="Prove the books.")


@commands.command()
@as_json
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Prove every balance, every credit and the sandbox's books. Exit code 1 on a difference.

    It changes nothing, and may run while payments are made.
    """
    books = services().sandbox
    found = (
        check_ledger(db.session(), books.paid_charges, books.afterwards.all)
        if books
        else check_ledger(db.session(), None)
    )
    if as_json:
        print_json({"agrees": found.agrees, **asdict(found)})
    else:
        print_check(found)
    ctx.exit(0 if found.agrees else 1)


def print_check(found: LedgerCheck) -> None:
    for difference in found.differences:
        click.echo(f"{difference.code}: {difference.sentence}")
    click.echo(
        f"Accounts: {found.accounts:,}. Ledger entries: {found.entries:,}. "
        f"Payments: {found.payments:,}. Sandbox charges: {found.charges:,}."
    )
    count = len(found.differences)
    click.echo("The books agree." if found.agrees else f"Differences: {count:,}.")
