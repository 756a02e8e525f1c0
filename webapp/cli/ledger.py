"""`flask ledger`: verify the ledger (L13)."""

from dataclasses import asdict
from typing import Any

import click

from webapp.cli.shared.output import Commands, prints
from webapp.extensions import db, services
from webapp.reads.ledger.ledger_check import check_ledger

commands = Commands("ledger", help="Verify the ledger.")


def _print(found: dict[str, Any]) -> None:
    for difference in found["differences"]:
        click.echo("{code}: {sentence}".format(**difference))
    click.echo(
        "Accounts: {accounts:,}. Ledger entries: {entries:,}. Payments: {payments:,}. "
        "Sandbox charges: {charges:,}.".format(**found)
    )
    count = len(found["differences"])
    click.echo(f"Differences: {count:,}." if count else "No differences.")


@commands.command()
@prints(_print, code=lambda found: 0 if found["agrees"] else 1)
def check() -> dict[str, Any]:
    """Verify all balances and credits, and the sandbox's charges. Exit code 1 on a difference.

    It changes nothing and can run while the server is in use.
    """
    books = services().sandbox
    found = (
        check_ledger(db.session(), books.paid_charges, books.reversals.all)
        if books
        else check_ledger(db.session(), None)
    )
    return {"agrees": found.agrees, **asdict(found)}
