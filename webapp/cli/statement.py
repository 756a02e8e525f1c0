"""`flask statement` and `flask activity`: an account's ledger and decisions about charges."""

from dataclasses import asdict
from datetime import datetime

import click

from webapp.cli.shared.arguments import ACCOUNT, CURSOR, LIMIT, SINCE, UNTIL, require
from webapp.cli.shared.output import OfThisVersion, as_json, print_json
from webapp.extensions import make_context
from webapp.reads.records.activity import read_activity
from webapp.reads.records.statement import read_statement


@click.command("statement", cls=OfThisVersion)
@ACCOUNT
@SINCE
@UNTIL
@LIMIT
@CURSOR
@as_json
def statement(
    account: int,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: int | None,
    as_json: bool,
) -> None:
    """Print the ledger of ACCOUNT with the running balance, newest first."""
    require(account)
    page = read_statement(make_context(), account, since, until, cursor, limit)
    if as_json:
        print_json(asdict(page))
        return
    for item in page.entries:
        words = item.description or item.reference or item.kind
        click.echo(
            f"{item.posted_at:%Y-%m-%d %H:%M}  {item.amount:>16}  {item.balance_after:>16}  {words}"
        )
    click.echo(f"More: --cursor {page.next_cursor}" if page.next_cursor else "That is all.")


@click.command("activity", cls=OfThisVersion)
@ACCOUNT
@LIMIT
@CURSOR
@as_json
def activity(account: int, limit: int, cursor: int | None, as_json: bool) -> None:
    """Print why ACCOUNT was or was not charged, and what happens next."""
    require(account)
    page = read_activity(make_context(), account, cursor, limit)
    if as_json:
        print_json(asdict(page))
        return
    click.echo(page.next)
    for line in page.decisions:
        click.echo(f"{line.last_at:%Y-%m-%d %H:%M}  {line.code}: {line.sentence}")
    click.echo(f"More: --cursor {page.next_cursor}" if page.next_cursor else "That is all.")
