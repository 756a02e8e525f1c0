"""`flask ledger`: verify the ledger (L13)."""

from dataclasses import asdict

import click

from webapp.cli.shared.output import Commands, as_json, print_json
from webapp.extensions import db, services
from webapp.reads.ledger.ledger_check import LedgerCheck, check_ledger

commands = Commands("ledger", help="Verify the ledger.")


@commands.command()
@as_json
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Verify all balances and credits, and the sandbox's charges. Exit code 1 on a difference.

    It changes nothing and can run while the server is in use.
    """
    books = services().sandbox
    found = (
        check_ledger(db.session(), books.paid_charges, books.reversals.all)
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
    click.echo("No differences." if found.agrees else f"Differences: {count:,}.")
